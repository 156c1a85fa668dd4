"""Stage plot_paper: the paper's figures and tables from the grids' metrics, ours beside the paper's, as PNG and SVG."""

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.figures.paper import draw_all, load_grids


def main() -> None:
    """Draw every figure from what has run so far."""
    parser = path_parser(__doc__, metrics="metrics", out="plots/paper")
    parser.add_argument("--small", action="store_true", help="they are of the grid in small")
    arguments = parser.parse_args()
    draw_all(load_grids(arguments.metrics), arguments.out, arguments.small)


if __name__ == "__main__":
    run_stage(main)
