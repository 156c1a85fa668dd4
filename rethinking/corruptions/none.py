"""True labels, untouched images: the control."""

import numpy as np

from rethinking.core.arrays import ImageData
from rethinking.corruptions.common.request import Request


def corrupt(data: ImageData, request: Request) -> dict[str, np.ndarray]:
    """Return the labels as they are."""
    return {"train_labels": data.train_labels}


def audit(data: ImageData, changed: dict[str, np.ndarray], request: Request) -> dict:
    """Find whether any label changed."""
    share = float(np.mean(changed["train_labels"] != data.train_true_labels))
    return {"expected_changed": 0.0, "changed": share, "interval": [0.0, 0.0], "ok": share == 0.0}
