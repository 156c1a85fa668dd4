"""Stage validate: check every parameter before anything runs; DVC removes a stage's outputs before it starts."""

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import write_text
from rethinking.theory.common import config as config_theory


def main() -> None:
    """Load the parameters; write the same file whatever they are, so that nothing downstream runs again for it."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    if config.load(*arguments.params).theory is not None:
        config_theory.load_theory(*arguments.params)
    write_text(arguments.out, "The parameters are valid.\n")


if __name__ == "__main__":
    run_stage(main)
