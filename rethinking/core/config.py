"""The parameters of params.yaml, typed and validated once; every error is one sentence with key, found and allowed.

Sections and names are those of params.yaml, which documents units and sources line by line. Several files are read as
one, a later file's keys replacing an earlier one's: paper/params.yaml adds the paper's grid to the headline's recipes.
"""

import itertools
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rethinking.core import registry
from rethinking.core.errors import UsageError
from rethinking.core.files import read_yaml
from rethinking.core.registry import did_you_mean
from rethinking.core.run_name import PLAIN, RunName, kind_and_level

# A wrong value as an error shows it: YAML can hold a list of a million in a few lines.
_FOUND = reprlib.Repr()
_FOUND.maxlevel, _FOUND.maxstring, _FOUND.maxother = 2, 100, 100

# What a file after the first may hold: what paper/dvc.yaml declares for the files of its folder.
OVERLAID = (
    *("paper", "resources", "train.epochs", "train.scaled_epochs", "train.evaluate_every", "train.live"),
    *("dataset.name", "dataset.source", "dataset.train_size", "dataset.test_size", "dataset.seed"),
)

# Of the data sets whose images are known before they are fetched: training images, pixels a side and channels.
OFFICIAL = {
    "cifar10": (50_000, 32, 3),
    "cifar100": (50_000, 32, 3),
    "mnist": (60_000, 28, 1),
    "digits": (1_497, 32, 3),
}

# What Pydantic says in its own terms.
_EXPECTED = {
    "too_short": "expected at least 1",
    "model_type": "expected a section of keys",
    "dict_type": "expected a section of keys",
}

# What fetch writes of the headline: corrupt.labels where nobody gives labels, as DVC wants a file.
TRUE_LABELS = "data/raw/train_labels.npy"

_Kind = TypeVar("_Kind")

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
# Upper bounds keep memory and torch's float32 and int64 from failing with a traceback.
MOST_IMAGES_A_BATCH = 2**20
_BATCH_SIZE = re.compile("batch_size-([1-9][0-9]{0,6})")  # in a variant
Rate = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Coefficient = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
BatchSize = Annotated[int, Field(ge=1, le=MOST_IMAGES_A_BATCH)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _no_duplicates(names: list[Any]) -> list[Any]:
    if len(set(names)) < len(names):
        raise ValueError("lists something twice")
    return names


def _without_null(blocks: Any) -> Any:
    return {name: block for name, block in blocks.items() if block is not None} if isinstance(blocks, dict) else blocks


def _readable_labels(file: str) -> str:
    if Path(file).suffix not in (".npy", ".csv"):
        raise ValueError("expected a .npy or .csv file")
    return file


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_no_duplicates)]


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no silent conversions."""

    model_config = ConfigDict(strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, values: Any) -> Any:
        """Pydantic's own refusal does not say which keys are allowed."""
        for key in values if isinstance(values, dict) else []:
            if key not in cls.model_fields:
                hint, known = did_you_mean(str(key), cls.model_fields), ", ".join(cls.model_fields)
                context = {"key": str(key), "message": f"unknown key{hint}; allowed: {known}"}
                raise PydanticCustomError("unknown_key", "{message}", context)
        return values


class Dataset(Section):
    """Which images, from where, how many."""

    name: str
    source: str = "official"
    train_size: Count | None = None
    test_size: Count | None = None
    seed: Seed = 0
    input_size: Annotated[int, Field(ge=8, le=512)] = 28


class Corrupt(Section):
    """What is done to the training set before training (paper, section 2.1)."""

    kind: str = "none"
    level: Share = 0.0
    seed: Seed = 0
    test_labels: bool = False
    labels: Annotated[str, AfterValidator(_readable_labels)] = TRUE_LABELS


class Train(Section):
    """What all architectures share."""

    archs: Names
    seed: Seed = 0
    epochs: Count
    scaled_epochs: Count | None = None
    batch_size: BatchSize = 128
    momentum: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.9
    precision: Literal["float32", "bf16"] = "float32"
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    deterministic: bool = True
    checkpoint_every: Count = 1
    cuda_graph: Literal["auto", "off"] = "auto"
    evaluate_every: Count = 1
    stop_when_fitted: Annotated[int, Field(ge=0)] | None = None
    live: bool = True
    mirror: Literal["none", "wandb", "tensorboard"] = "none"


class Regularizers(Section):
    """The explicit regularisers of section 2.2, all off by default."""

    random_crop: bool = False
    augmentation: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    weight_decay: bool = False


class Arch(Section):
    """The recipe of one architecture; `epochs` and `input_size` override the common ones."""

    lr: Rate
    lr_decay: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    lr_milestones: list[Count] | None = None
    weight_decay: Coefficient = 0.0
    epochs: Count | None = None
    input_size: Annotated[int, Field(ge=8, le=512)] | None = None


class Grid(Section):
    """The corruptions that a grid pipeline trains on, by name, such as `labels-0.5`."""

    corruptions: Names


class Resources(Section):
    """What one stage takes of a machine: whole CPU cores, and a share of one GPU's memory or whole GPUs.

    It changes no result, but for the last bits of a training that spreads over another number of GPUs.
    """

    cores: Annotated[int, Field(ge=0)] = 0
    gpu: Share = 0.0
    gpus: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _a_share_or_whole_gpus(self) -> "Resources":
        if self.gpu and self.gpus:
            raise ValueError("gpu is a share of one GPU and gpus counts whole ones; set one of them")
        return self


def _pattern_of_stages(text: str) -> str:
    if ":" in text:
        raise ValueError("':' is in no stage's name; expected a pattern of names alone, such as train@*")
    return text


# By patterns of stage names.
AllResources = dict[Annotated[str, AfterValidator(_pattern_of_stages)], Resources]


class Block(Section):
    """A block of the paper's grid: every architecture on every corruption under every variant."""

    dataset: str = "cifar10"
    archs: Names
    corruptions: Names
    variants: Names

    def planned_runs(self, seeds: list[int]) -> list[RunName]:
        """Every run of the block for every seed."""
        return [RunName(*run) for run in itertools.product(self.archs, self.corruptions, self.variants, seeds)]


class Paper(Section):
    """The paper's grid: the corruptions of each data set, blocks of runs by name, no run twice, and their seeds.

    A later file leaves a block out by null.
    """

    corruptions: dict[str, Names]
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(_no_duplicates)]
    runs: Annotated[dict[str, Block], Field(min_length=1), BeforeValidator(_without_null)]


class Parameters(Section):
    """A whole params.yaml."""

    dataset: Dataset
    corrupt: Corrupt
    train: Train
    regularizers: Regularizers = Regularizers()
    archs: dict[str, Arch]
    grid: Grid | None = None
    paper: Paper | None = None
    theory: dict[str, Any] | None = None  # validated by theory/common/config.py, on which no training depends
    resources: AllResources = {}

    def recipe(self, arch: str) -> Arch:
        """The recipe of an architecture. Raises UsageError where params.yaml has none."""
        if arch not in self.archs:
            raise UsageError(
                f"archs: no recipe for '{arch}'{did_you_mean(arch, self.archs)}; add archs.{arch} with at least lr"
            )
        return self.archs[arch]

    def planned_runs(self) -> list[RunName]:
        """Every run of the pipeline on this data set; collectors read these, never what an older grid left behind."""
        if self.paper:
            blocks = (block for block in self.paper.runs.values() if block.dataset == self.dataset.name)
            return [run for block in blocks for run in block.planned_runs(self.paper.seeds)]
        corruptions: list[str | None] = [*self.grid.corruptions] if self.grid else [None]
        return [RunName(arch, corruption) for arch in self.train.archs for corruption in corruptions]

    def of_run(self, run: RunName) -> "Parameters":
        """These parameters with the run's variant and seed in them.

        A variant is `plain`, or joined by `+`: weight_decay, random_crop, augmentation and batch_size-N. It says all of
        the run's regularisers, whatever the section `regularizers` has. Raises UsageError for another, and
        for an impossible seed.
        """
        train = {} if run.seed is None else {"seed": run.seed}
        regularizers: dict[str, bool] = {}
        parts = run.variant.split("+") if run.variant and run.variant != PLAIN else []
        names = [part.partition("-")[0] for part in parts]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"paper.runs: variant '{run.variant}' has {twice[0]} twice; keep one")
        for part in parts:
            if part in ("random_crop", "augmentation", "weight_decay"):
                regularizers[part] = True
            elif (match := _BATCH_SIZE.fullmatch(part)) and int(match[1]) <= MOST_IMAGES_A_BATCH:
                train["batch_size"] = int(match[1])
            else:
                raise UsageError(
                    f"paper.runs: unknown part '{part}' of variant '{run.variant}'; allowed: plain, or joined by + "
                    "random_crop, augmentation, weight_decay and batch_size-N, N at most 1048576"
                )
        try:
            changed = Train.model_validate(self.train.model_dump() | train)
        except ValidationError as error:
            raise UsageError(error_sentence(error, "train")) from None
        return self.model_copy(
            update={
                "train": changed,
                "regularizers": Regularizers(**regularizers) if run.variant else self.regularizers,
            }
        )

    def input_size(self, arch: str) -> int:
        """Pixels a side that the architecture sees."""
        return self.recipe(arch).input_size or self.dataset.input_size

    def smallest_batch(self, images: int | None = None) -> int:
        """The size of the smallest batch of an epoch over so many images.

        Without their number it is as far as the parameters tell: they do of a subset and of an official data set.
        """
        official = OFFICIAL.get(self.dataset.name) if self.dataset.source == "official" else None
        images = images or self.dataset.train_size or (official[0] if official else 0)
        return images % self.train.batch_size or self.train.batch_size

    def channels(self) -> int:
        """The channels of an image: 3 where they are not known before the data set is read."""
        return OFFICIAL.get(self.dataset.name, (0, 0, 3))[2]

    def require_large_enough(self, side: int) -> None:
        """Raise UsageError where a run crops images, of so many pixels a side, to more than they have."""
        sizes = {f"archs.{run.arch}.input_size": self.input_size(run.arch) for run in self.planned_runs()}
        for key, size in {"dataset.input_size": self.dataset.input_size if sizes else 0, **sizes}.items():
            if size > side:
                raise UsageError(
                    f"{key}: found {size}, but the images of {self.dataset.name} are only {side} pixels wide; set at "
                    f"most {side}"
                )

    def corruption(self, name: str | None = None) -> Corrupt:
        """The corrupt section, or the same with the kind and level of a grid name such as `labels-0.5`."""
        if name is None:
            return self.corrupt
        try:
            kind, level = kind_and_level(name)
        except ValueError as error:
            raise UsageError(f"{self.corruptions_key}: {error}") from None
        if kind == "given":
            raise UsageError(f"{self.corruptions_key}: found '{name}'; only the headline's corrupt.kind may be given")
        if not 0 <= level <= 1 or name == "labels":
            raise UsageError(f"{self.corruptions_key}: '{name}' has no level between 0 and 1, as labels-0.5 has")
        return self.corrupt.model_copy(update={"kind": kind, "level": level})

    @property
    def corruptions_key(self) -> str:
        """Where the pipeline lists its corruptions."""
        return "grid.corruptions" if self.grid else "paper.runs"


class TheoryParameters(Parameters):
    """A parameter file of the theory pipeline, which trains no network."""

    corrupt: Corrupt = Corrupt()
    train: Train = Train.model_construct(archs=[])
    archs: dict[str, Arch] = {}


def load(*paths: Path) -> Parameters:
    """Read and validate parameter files as one. Raises UsageError, one sentence for the first wrong key."""
    document = overlaid(*paths, allowed=OVERLAID)
    kind = TheoryParameters if "theory" in document else Parameters
    parameters = validated(kind, document, paths)
    _require_names(parameters)
    return parameters


def validated(kind: type[_Kind], document: Any, paths: Sequence[Path], *section: str) -> _Kind:
    """What stands in these files, perhaps in a section alone, as `kind`. Raises UsageError for the first wrong key."""
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        raise UsageError(f"{error_sentence(error, *section)} ({' with '.join(map(str, paths))})") from None


def overlaid(*paths: Path, allowed: Sequence[str] | None = None) -> dict[str, Any]:
    """The sections of parameter files as one document, a later file's keys over an earlier one's.

    Raises UsageError where a file after the first has other sections or keys than those allowed, which no stage is told
    to read there: DVC would take every run for up to date.
    """
    document: dict[str, Any] = {}
    for path in paths:
        over = _read(path)
        if path != paths[0] and allowed is not None:
            _require_tracked(path, over, paths[0], allowed)
        document = _overlaid(document, over)
    return document


def resources(*paths: Path) -> dict[str, Resources]:
    """The `resources` sections of parameter files as one, by patterns of stage names. Raises UsageError."""
    return validated(AllResources, overlaid(*paths).get("resources") or {}, paths, "resources")


def paper(*paths: Path) -> Paper:
    """The `paper` section of parameter files, which need not have others. Raises UsageError."""
    return validated(Paper, overlaid(*paths).get("paper") or {}, paths, "paper")


def _read(path: Path) -> dict[str, Any]:
    """The sections of one file."""
    if not path.exists():
        raise UsageError(f"no parameter file '{path}'; run from the project's root or name one with --params")
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds {type(document).__name__}; expected sections such as dataset and train")
    return document


def _require_tracked(path: Path, document: Mapping[str, Any], first: Path, allowed: Sequence[str]) -> None:
    for section, values in document.items():
        keys = [f"{section}.{name}" for name in values] if isinstance(values, Mapping) else [section]
        for key in keys:
            if section not in allowed and key not in allowed:
                raise UsageError(f"{key}: found in {path}; set it in {first}, as {path} may hold {', '.join(allowed)}")


def _overlaid(base: Any, over: Any) -> Any:
    """`base` with the keys of `over` added or replaced, section by section."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    return {**base, **{key: _overlaid(base.get(key), value) for key, value in over.items()}}


def _require_names(parameters: Parameters) -> None:
    """Raise UsageError for a data set, corruption or architecture that no file defines."""
    registry.require("sources", parameters.dataset.name, "dataset.name")
    registry.require("corruptions", parameters.corrupt.kind, "corrupt.kind")
    runs = parameters.planned_runs()
    archs_key = "paper.runs" if parameters.paper else "train.archs"
    for arch in dict.fromkeys([*(run.arch for run in runs), *parameters.train.archs]):
        registry.require("models", arch, archs_key)
        parameters.recipe(arch)
    for name in dict.fromkeys(run.corruption for run in runs if run.corruption is not None):
        registry.require("corruptions", parameters.corruption(name).kind, parameters.corruptions_key)
    for run in runs:
        parameters.of_run(run)
    twice = next((run for run in runs if runs.count(run) > 1), None)
    if twice:
        raise UsageError(f"paper.runs: found {twice.text} in two blocks; every run stands in one, whoever shows it")
    if parameters.paper:
        _require_made(parameters.paper, parameters.dataset.name)
    _require_input_sizes(parameters)
    _require_given(parameters.corrupt)


def _require_given(corrupt: Corrupt) -> None:
    """Raise UsageError where a kind that reads no file has one, or `given` has none or more than that."""
    if corrupt.kind != "given":
        if corrupt.labels != TRUE_LABELS:
            raise UsageError(
                f"corrupt.labels: found '{corrupt.labels}', which corrupt.kind {corrupt.kind} does not read; set "
                f"corrupt.kind to given, or corrupt.labels to {TRUE_LABELS}"
            )
        return
    if corrupt.labels == TRUE_LABELS:
        raise UsageError(f"corrupt.labels: found '{TRUE_LABELS}', the true ones; name the file of the given labels")
    if corrupt.level != 1:
        raise UsageError(f"corrupt.level: found {corrupt.level}, but given labels are taken as they are; set 1.0")
    if corrupt.test_labels:
        raise UsageError("corrupt.test_labels: found True, but given labels are those of the training set; set false")


def _require_made(paper: Paper, dataset: str) -> None:
    """Raise UsageError where no corruption is made for the data set, or a block names one that is not for its own."""
    if dataset not in paper.corruptions:
        raise UsageError(f"paper.corruptions: missing '{dataset}', the data set; found {', '.join(paper.corruptions)}")
    for name, block in paper.runs.items():
        registry.require("sources", block.dataset, f"paper.runs.{name}.dataset")
        for corruption in block.corruptions:
            if corruption not in paper.corruptions.get(block.dataset, []):
                made = f"paper.corruptions.{block.dataset}"
                raise UsageError(f"paper.runs.{name}.corruptions: found '{corruption}'; add it to {made} too")


def _require_input_sizes(parameters: Parameters) -> None:
    """Raise UsageError where images, or what a pixel corruption leaves of them, are smaller than a network's input."""
    if parameters.dataset.name in OFFICIAL:
        parameters.require_large_enough(OFFICIAL[parameters.dataset.name][1])
    size = parameters.dataset.input_size
    for run in parameters.planned_runs():
        kind = parameters.corruption(run.corruption).kind
        if kind not in ("none", "labels", "given") and parameters.input_size(run.arch) > size:
            raise UsageError(
                f"dataset.input_size: found {size}, to which {kind} crops, but archs.{run.arch}.input_size is "
                f"{parameters.input_size(run.arch)}; set both alike"
            )


def error_sentence(error: ValidationError, *section: str) -> str:
    """One sentence for the first problem, perhaps in a section alone: the key, what was found, what is allowed."""
    problems = error.errors()
    problem = next((each for each in problems if each["type"] == "unknown_key"), problems[0])
    unknown = problem["type"] == "unknown_key"
    location = (*section, *problem["loc"], *([problem["ctx"]["key"]] if unknown else []))
    key, found = ".".join(str(part) for part in location), problem.get("input")
    if unknown:
        return f"{key}: {problem['msg']}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    hint = did_you_mean(found, _choices(problem)) if isinstance(found, str) else ""
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be ", "expected ")
    message = _EXPECTED.get(problem["type"], message)
    if problem["type"] in ("float_type", "int_type") and isinstance(found, str):
        message += ", which is written without quotes"
    return f"{key}: found {_FOUND.repr(found)}{hint}; {message}"


def _choices(problem: Any) -> list[str]:
    expected = str(problem.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word]
