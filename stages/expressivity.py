"""Stage expressivity: a two-layer network with 2n + d weights that fits anything (paper, section 4, Theorem 1)."""

from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset
from rethinking.core.errors import run_stage
from rethinking.core.files import new_folder, seal, write_json
from rethinking.core.tables import write_table
from rethinking.theory.common.config import load_theory
from rethinking.theory.common.device import exact_device
from rethinking.theory.expressivity import fit_images


def main() -> None:
    """Write result.json, and conditioning.csv, a row for each number of images."""
    arguments = path_parser(__doc__, "params", "raw", "out").parse_args()
    theory, data = load_theory(*arguments.params), open_dataset(arguments.raw)
    result, rows = fit_images(theory.expressivity, data, theory.seed, exact_device(theory.device))
    with new_folder(arguments.out) as folder:
        write_json(folder / "result.json", result)
        write_table(folder / "conditioning.csv", rows)
        seal(folder, {"data": data.fingerprint})


if __name__ == "__main__":
    run_stage(main)
