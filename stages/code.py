"""Stage code: the code that trains one architecture, file by file, for all the runs of it that depend on it.

Each run of paper/dvc.yaml declares this one file where it would declare twenty, which would make the lock file so long
that DVC takes seconds to write it. Comments and docstrings are left out, so that editing them trains nothing again.
"""

import argparse
from pathlib import Path

from stages.errors import DataError, run_stage
from stages.files import write_json
from stages.provenance import code_hashes, training_modules


def main() -> None:
    """Write the hash of every file that training the architecture reaches by import."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        write_json(arguments.out, code_hashes(*training_modules(arguments.arch)))
    except SyntaxError as error:
        raise DataError(f"{error.filename}, line {error.lineno}: {error.msg}") from None


if __name__ == "__main__":
    run_stage(main)
