"""Labels that people bring, such as the human ones of CIFAR-10N: read from a file instead of drawn.

The file is a .npy of integers (N,), one for each training image in the order of the raw set, or a .csv with a column
`label`. A .csv may also have `index`, the place of a row's image in that order, from 0, and `true_label`, by which the
order is checked.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype

from rethinking.core.arrays import ImageData
from rethinking.core.errors import DataError
from rethinking.corruptions.common.request import Request


def corrupt(data: ImageData, request: Request) -> dict[str, np.ndarray]:
    """Return the labels of the file. Raises DataError, naming it, where they are not those of this training set."""
    try:
        table = _in_order(_read(Path(request.labels)), len(data.train_labels))
        return {"train_labels": _labels(table, data)}
    except (ValueError, OSError) as error:  # numpy's and pandas' own errors among them
        raise DataError(f"corrupt.labels: '{request.labels}' cannot be used: {error}") from None


def _read(path: Path) -> pd.DataFrame:
    """The columns of the file that mean something, whole numbers all. Raises ValueError or OSError."""
    if path.suffix == ".npy":
        try:
            array = np.lib.format.open_memmap(path, mode="r")  # no pickle, no zip of arrays
        except ValueError as error:
            raise ValueError(f"{str(error).rstrip('.')}; expected integers (N,), no pickle") from None
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ValueError(f"found {array.dtype} of shape {array.shape}; expected integers (N,)")
        return pd.DataFrame({"label": array})
    table = pd.read_csv(path, index_col=False, skipinitialspace=True, low_memory=False)
    if "label" not in table:
        raise ValueError(f"found the columns {', '.join(table.columns)}; expected label")
    table = table[[name for name in ("label", "true_label", "index") if name in table]]
    for name, column in table.items():
        if not is_integer_dtype(column):
            numbers = pd.to_numeric(column.astype(str), errors="coerce")
            row = int((numbers % 1 != 0).to_numpy().argmax())  # a missing number's, too
            raise ValueError(f"found {column[row]} as {name} of row {row + 1}; expected whole numbers")
    return table


def _in_order(table: pd.DataFrame, images: int) -> pd.DataFrame:
    """The rows in the order of the training images. Raises ValueError where one is missing or there twice."""
    if len(table) != images:
        raise ValueError(
            f"found {len(table)} labels; expected {images}, one for each training image that dataset.train_size keeps"
        )
    if "index" not in table:
        return table
    missing = np.setdiff1d(np.arange(images), table["index"])
    if len(missing):
        raise ValueError(f"no row has the index {missing[0]}; expected each from 0 to {images - 1} once")
    return table.sort_values("index")


def _labels(table: pd.DataFrame, data: ImageData) -> np.ndarray:
    """The labels (N,) int64. Raises ValueError where one is no class, or the true ones are not the data set's."""
    wrong = table["label"][~table["label"].between(0, data.classes - 1)]
    if len(wrong):
        raise ValueError(f"found the label {wrong.iloc[0]}; expected 0 to {data.classes - 1}")
    if "true_label" in table:
        differ = int((table["true_label"].to_numpy() != data.train_labels).sum())
        if differ:
            raise ValueError(
                f"true_label is not the data set's in {differ} of {len(table)} rows; expected its training images in "
                "their order, or a column index"
            )
    return table["label"].to_numpy(np.int64)


def audit(data: ImageData, changed: dict[str, np.ndarray], request: Request) -> dict:
    """Count what the labels make of the classes: row by row the true class, column by column the given one.

    There is nothing to expect of labels that somebody gives, so the audit only says what they are.
    """
    confusion = np.zeros((data.classes, data.classes), np.int64)
    np.add.at(confusion, (data.train_true_labels, changed["train_labels"]), 1)
    of_class = confusion.sum(axis=1)
    changed_of_class = of_class - confusion.diagonal()
    return {
        "expected_changed": None,
        "changed": float(changed_of_class.sum() / of_class.sum()),
        "changed_by_class": [float(share) for share in changed_of_class / np.maximum(of_class, 1)],
        "confusion": confusion.tolist(),
        "ok": True,
    }
