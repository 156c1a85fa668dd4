"""Stage validate: check every parameter before anything runs; DVC removes a stage's outputs before it starts."""

import argparse
from pathlib import Path

from rethinking.core import config
from rethinking.core.errors import run_stage
from rethinking.core.files import write_text
from rethinking.theory.common import config as config_theory


def main() -> None:
    """Load the parameters; write the same file whatever they are, so that nothing downstream runs again for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, nargs="+", default=[Path("params.yaml")])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if config.load(*arguments.params).theory is not None:
        config_theory.load_theory(*arguments.params)
    write_text(arguments.out, "The parameters are valid.\n")


if __name__ == "__main__":
    run_stage(main)
