"""The parameters of imagenet/params.yaml, which documents them line by line, typed and validated."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rethinking.core.config import (
    AllResources,
    Coefficient,
    Count,
    Rate,
    Section,
    Seed,
    Share,
    overlaid,
    validated,
)
from rethinking.core.errors import UsageError
from rethinking.core.run_name import PLAIN, RunName, kind_and_level

ARCH = "inception_v3"
REGULARIZERS = ("augmentation", "dropout", "weight_decay")
# The batch of the numbers that the TensorFlow package gives: its rate and its decays are per so many images.
PACKAGE_BATCH = 32
KINDS = ("none", "labels")
# What the file of a data set may hold: what imagenet/dvc.yaml declares for it.
OVERLAID = ("dataset", "train", "execution", "resources")

Decay = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Dataset(Section):
    """Where the images lie, and how many of them."""

    source: Annotated[str, Field(min_length=1)]
    train_size: Count | None = None
    test_size: Count | None = None
    seed: Seed = 0

    @property
    def path(self) -> Path:
        return Path(self.source)


class Corrupt(Section):
    """What every corruption shares."""

    seed: Seed = 0


class Train(Section):
    """What all rows share, and what comes out of them depends on."""

    width: Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)] = 1.0
    seed: Seed = 0
    input_size: Annotated[int, Field(ge=75, le=1024)] = 299
    epochs: Count
    batch_size: Count
    group_size: Annotated[int, Field(ge=2)]
    lr: Rate
    lr_decay: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    lr_decay_epochs: Count = 1
    warm_up_epochs: Annotated[int, Field(ge=0)] = 0
    momentum: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.9
    weight_decay: Coefficient
    dropout: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    label_smoothing: Share = 0.0
    auxiliary_loss: Coefficient = 0.0
    average_decay: Decay
    statistics_decay: Decay
    precision: Literal["float32", "bf16"] = "float32"
    deterministic: bool = True
    evaluate_every: Count = 1
    evaluated_images: Count
    evaluation_batch: Count

    @model_validator(mode="after")
    def _whole_groups(self) -> "Train":
        if self.batch_size % self.group_size:
            raise ValueError(
                f"batch_size is {self.batch_size}, which is no multiple of group_size, {self.group_size}; a step is a "
                "whole number of groups"
            )
        return self

    @property
    def groups(self) -> int:
        return self.batch_size // self.group_size


class Execution(Section):
    """How a row is trained, on which nothing that comes out of it depends, the last bits of another device apart."""

    device: Literal["auto", "cuda", "cpu"] = "auto"
    processes: Count | None = None
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    checkpoint_every: Count = 500
    live: bool = True
    mirror: Literal["none", "wandb", "tensorboard"] = "none"


def _known_corruption(name: str) -> str:
    kind, level = kind_and_level(name)
    if kind not in KINDS or (kind == "labels") != (0 < level <= 1):
        raise ValueError(
            "allowed: none, or labels-0.5 with any level above 0 and up to 1 (ImageNet's pixels stay as they are)"
        )
    return name


Corruption = Annotated[str, AfterValidator(_known_corruption)]


class Row(Section):
    """A row of table 2."""

    corruption: Corruption
    variant: str

    @model_validator(mode="after")
    def _known(self) -> "Row":
        parts = self.variant.split("+")
        unknown = [part for part in parts if part not in REGULARIZERS]
        if unknown and self.variant != PLAIN:
            raise ValueError(f"variant is '{self.variant}'; allowed: plain, or joined by + {', '.join(REGULARIZERS)}")
        if len({*parts}) < len(parts):
            raise ValueError(f"variant is '{self.variant}', which has a regulariser twice; keep one")
        return self

    def has(self, regularizer: str) -> bool:
        """Whether the row switches augmentation, dropout or weight_decay on."""
        return regularizer in self.variant.split("+")


class Parameters(Section):
    """A whole imagenet/params.yaml, perhaps with imagenet/tiny.yaml over it."""

    dataset: Dataset
    corrupt: Corrupt = Corrupt()
    corruptions: Annotated[list[Corruption], Field(min_length=1)] = ["none", "labels-1.0"]
    train: Train
    execution: Execution = Execution()
    rows: Annotated[dict[str, Row], Field(min_length=1)]
    resources: AllResources = {}

    def row(self, name: str) -> Row:
        """The row of that name. Raises UsageError where there is none."""
        if name not in self.rows:
            raise UsageError(f"rows: there is no row '{name}'; allowed: {', '.join(self.rows)}")
        return self.rows[name]

    def run(self, name: str) -> RunName:
        """The name that a row's run has in tables of runs."""
        row = self.row(name)
        return RunName(ARCH, row.corruption, row.variant, self.train.seed)

    def recipe(self, name: str) -> dict[str, Any]:
        """Everything in the parameters that determines a row's result, as JSON-serialisable values."""
        return {"row": self.row(name).model_dump(), **self.train.model_dump()}


def load(*paths: Path) -> Parameters:
    """Read and validate parameter files, a later one over an earlier one. Raises UsageError, one sentence."""
    parameters = validated(Parameters, overlaid(*paths, allowed=OVERLAID), paths)
    runs: dict[RunName, str] = {}
    for name, row in parameters.rows.items():
        if row.corruption not in parameters.corruptions:
            raise UsageError(f"rows.{name}.corruption: found '{row.corruption}'; add it to corruptions too")
        if (same := runs.setdefault(parameters.run(name), name)) != name:
            raise UsageError(f"rows.{name}: has the corruption and the variant of rows.{same}; delete one of them")
    return parameters
