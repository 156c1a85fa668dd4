"""Stage minimum_norm: gradient descent from zero finds the interpolant of least norm (paper, section 5)."""

from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset
from rethinking.core.errors import run_stage
from rethinking.core.files import new_folder, seal, write_json
from rethinking.core.tables import write_table
from rethinking.theory.common.config import load_theory
from rethinking.theory.minimum_norm import compare_interpolants


def main() -> None:
    """Write result.json, distances.csv, interpolants.csv and random_signs.csv."""
    arguments = path_parser(__doc__, "params", "raw", "out").parse_args()
    theory, data = load_theory(*arguments.params), open_dataset(arguments.raw)
    summary, tables = compare_interpolants(theory.minimum_norm, data, theory.seed)
    with new_folder(arguments.out) as folder:
        write_json(folder / "result.json", summary)
        for name, rows in tables.items():
            write_table(folder / f"{name}.csv", rows)
        seal(folder, {"data": data.fingerprint})


if __name__ == "__main__":
    run_stage(main)
