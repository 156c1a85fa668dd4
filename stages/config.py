"""The parameters of params.yaml, typed and validated once; every error is one sentence with key, found and allowed.

Sections and names are those of params.yaml, which documents units and sources line by line.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages import registry
from stages.errors import UsageError
from stages.registry import did_you_mean

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Coefficient = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _no_duplicates(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("lists a name twice")
    return names


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_no_duplicates)]


class Section(BaseModel):
    """A section of params.yaml: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class Train(Section):
    """What all architectures share."""

    archs: Names
    seed: Seed = 0
    epochs: Count
    batch_size: Count = 128
    momentum: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.9
    precision: Literal["float32", "bf16"] = "float32"
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    deterministic: bool = True
    checkpoint_every: Count = 1
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


class Expressivity(Section):
    """Theorem 1: numbers of points at which conditioning is measured, the last also fitted in several layers."""

    sizes: Annotated[list[Count], Field(min_length=1)]
    layers: Count
    test_images: bool = False


class MinimumNorm(Section):
    """Gradient descent on linear models in random cosine features."""

    train_size: Count
    features: Count
    bandwidth: Rate
    epochs: Count
    batch_size: Count
    scales: Annotated[list[Coefficient], Field(min_length=1)]
    counts: Annotated[list[Count], Field(min_length=1)]
    draws: Annotated[int, Field(ge=2)]


class Gabor(Section):
    """The bank of Gabor wavelets."""

    orientations: Count
    wavelengths: Annotated[list[Rate], Field(min_length=1)]
    pool: Annotated[int, Field(ge=2)]


class RandomPatches(Section):
    """Convolutions with random patches."""

    filters: Count
    patch: Annotated[int, Field(ge=2)]
    whitening: Rate
    rectifier: Coefficient
    pool: Count
    pool_stride: Count
    sample: Annotated[int, Field(ge=2)]
    block_filters: Count


class Kernel(Section):
    """A Gaussian kernel on pixels, or on the features of one of the two sections."""

    bandwidths: Annotated[list[Rate], Field(min_length=1)]
    ridges: list[Rate] = []
    search_size: Count
    held_out: Count
    gabor: Gabor | None = None
    random_patches: RandomPatches | None = None


class Theory(Section):
    """Sections 4 and 5 of the paper."""

    seed: Seed = 0
    device: Literal["auto", "cuda", "cpu"] = "auto"
    expressivity: Expressivity
    minimum_norm: MinimumNorm
    kernel: Annotated[dict[str, Kernel], Field(min_length=1)]


class PlannedRun(NamedTuple):
    """A training run that the parameters ask for; `corruption` is its grid name, None in the headline pipeline."""

    arch: str
    corruption: str | None

    @property
    def name(self) -> str:
        """The run's folder below `runs/<pipeline>`."""
        return self.arch if self.corruption is None else f"{self.arch}-{self.corruption}"


class Parameters(Section):
    """A whole params.yaml."""

    dataset: Dataset
    corrupt: Corrupt
    train: Train
    regularizers: Regularizers = Regularizers()
    archs: dict[str, Arch]
    grid: Grid | None = None
    theory: Theory | None = None

    def recipe(self, arch: str) -> Arch:
        """The recipe of an architecture. Raises UsageError where params.yaml has none."""
        if arch not in self.archs:
            raise UsageError(
                f"archs: no recipe for '{arch}'{did_you_mean(arch, self.archs)}; add archs.{arch} with at least lr"
            )
        return self.archs[arch]

    def planned_runs(self) -> list[PlannedRun]:
        """Every run of the pipeline; collectors read these, never what lies in a folder from earlier parameters."""
        corruptions: list[str | None] = [*self.grid.corruptions] if self.grid else [None]
        return [PlannedRun(arch, corruption) for arch in self.train.archs for corruption in corruptions]

    def input_size(self, arch: str) -> int:
        """Pixels a side that the architecture sees."""
        return self.recipe(arch).input_size or self.dataset.input_size

    def corruption(self, name: str | None = None) -> Corrupt:
        """The corrupt section, or the same with the kind and level of a grid name such as `labels-0.5`."""
        if name is None:
            return self.corrupt
        kind, dash, level = name.partition("-")
        try:
            share = float(level) if dash or kind == "labels" else 0.0
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise UsageError(f"grid.corruptions: '{name}' has no level between 0 and 1, as labels-0.5 has")
        return self.corrupt.model_copy(update={"kind": kind, "level": share})


class TheoryParameters(Parameters):
    """A parameter file of the theory pipeline, which trains no network."""

    corrupt: Corrupt = Corrupt()
    train: Train = Train.model_construct(archs=[])
    archs: dict[str, Arch] = {}


def load_theory(path: Path) -> Theory:
    """The theory section of a parameter file. Raises UsageError where there is none, and as `load` does."""
    theory = load(path).theory
    if theory is None:
        raise UsageError(f"theory: missing ({path})")
    return theory


def load(path: Path) -> Parameters:
    """Read and validate a parameter file. Raises UsageError, one sentence for the first wrong key."""
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no parameter file '{path}'; run from the project's root or name one with --params") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds {type(document).__name__}; expected sections such as dataset and train")
    try:
        parameters = (TheoryParameters if "theory" in document else Parameters).model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{_sentence(error)} ({path})") from None
    _require_names(parameters)
    return parameters


def _require_names(parameters: Parameters) -> None:
    """Raise UsageError for a data set, corruption or architecture that no file defines."""
    registry.require("data/sources", parameters.dataset.name, "dataset.name")
    registry.require("data/corruptions", parameters.corrupt.kind, "corrupt.kind")
    for name in parameters.grid.corruptions if parameters.grid else []:
        registry.require("data/corruptions", parameters.corruption(name).kind, "grid.corruptions")
    for arch in parameters.train.archs:
        registry.require("models", arch, "train.archs")
        parameters.recipe(arch)
    _require_input_sizes(parameters)


def _require_input_sizes(parameters: Parameters) -> None:
    """Raise UsageError where a pixel corruption makes images smaller than a network's input."""
    size = parameters.dataset.input_size
    kinds = {parameters.corruption(run.corruption).kind for run in parameters.planned_runs()} - {"none", "labels"}
    for arch in parameters.train.archs:
        if kinds and parameters.input_size(arch) > size:
            raise UsageError(
                f"dataset.input_size: found {size}, to which {min(kinds)} crops, but archs.{arch}.input_size is "
                f"{parameters.input_size(arch)}; set both alike"
            )


def _sentence(error: ValidationError) -> str:
    """One sentence for the first problem: the key, what was found, what is allowed."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    found = problem.get("input")
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1])
        hint = did_you_mean(str(problem["loc"][-1]), known)
        return f"{key}: unknown key{hint}; allowed: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    hint = did_you_mean(found, _choices(problem)) if isinstance(found, str) else ""
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be ", "expected ")
    if problem["type"] in ("float_type", "int_type") and isinstance(found, str):
        message += ", which is written without quotes and without a bare exponent (0.0001, not 1e-4)"
    return f"{key}: found {found!r}{hint}; {message}"


def _choices(problem: Any) -> list[str]:
    expected = str(problem.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word]


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at this place of the parameter file allows."""
    section: type[Section] = Parameters
    for part in location:
        if part in section.model_fields:  # else the name of an entry, such as archs.alexnet
            annotation = section.model_fields[str(part)].annotation
            kinds = (annotation, *get_args(annotation))
            section = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section))
    return list(section.model_fields)
