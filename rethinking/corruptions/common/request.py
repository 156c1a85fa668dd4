"""What is asked of a corruption."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What is asked of a corruption; `level` matters to label corruption only, `input_size` to pixel corruptions.

    `labels` is the path of the labels that `given` reads.
    """

    level: float
    seed: int
    input_size: int
    test_labels: bool = False
    labels: str = ""
