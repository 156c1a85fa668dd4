"""Tables as CSV files: what Git keeps of runs. Equal numbers give equal bytes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rethinking.core.errors import DataError
from rethinking.core.files import new_file


def write_table(path: Path, rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> None:
    """Write a table as CSV, atomically: six digits for a float, an empty cell for what is missing or not finite.

    A whole number among rows has all its digits.
    """
    table = rows if isinstance(rows, pd.DataFrame) else _table(list(rows))
    with new_file(path) as partial:
        table.replace([np.inf, -np.inf], np.nan).to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")


def _table(rows: list[Mapping[str, Any]]) -> pd.DataFrame:
    """These rows; whole numbers stay whole, of which pandas makes floats where one is missing."""
    table = pd.DataFrame(rows)
    for name in table.select_dtypes(float):
        values = [row.get(name) for row in rows]
        if all(value is None or isinstance(value, int) for value in values):
            table[name] = pd.array(values, dtype="Int64")
    return table


def read_table(path: Path) -> pd.DataFrame:
    """Read what `write_table` wrote. Raises DataError, naming the file, where it is no table."""
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run the pipeline that writes it first") from None
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{path} is no table ({error}); run the pipeline that writes it again") from None


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries: whole numbers as int, None for an empty cell."""
    cells = table.convert_dtypes().astype(object)
    return cells.where(cells.notna(), None).to_dict("records")


def markdown(table: pd.DataFrame, text_columns: int = 1) -> str:
    """The table in Markdown, as the cells are; all but the first columns aligned to the right."""
    align = ["left"] * text_columns + ["right"] * (len(table.columns) - text_columns)
    return table.to_markdown(index=False, disable_numparse=True, colalign=align) + "\n"
