"""Stage code: the code that trains one architecture, file by file, for all the runs of it that depend on it.

Each run of paper/dvc.yaml declares this one file where it would declare twenty, which would double the lock file, and
with it the time that DVC takes to read and to write it. Comments, docstrings and layout are left out: editing
them trains nothing again.
"""

import argparse
from pathlib import Path

from stages.errors import run_stage
from stages.files import write_json
from stages.provenance import code_hashes, training_modules


def main() -> None:
    """Write the hash of every file that training the architecture reaches by import."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_json(arguments.out, code_hashes(*training_modules(arguments.arch)))


if __name__ == "__main__":
    run_stage(main)
