"""The `theory` section of a parameter file (theory/*.yaml), typed and validated; core/config.py reads the rest."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rethinking.core import config
from rethinking.core.config import BatchSize, Coefficient, Count, Rate, Section, Seed
from rethinking.core.errors import UsageError


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
    batch_size: BatchSize
    scales: Annotated[list[Coefficient], Field(min_length=1)]
    counts: Annotated[list[Count], Field(min_length=1)]
    draws: Annotated[int, Field(ge=2)]


class Gabor(Section):
    """The bank of Gabor wavelets."""

    orientations: Count
    wavelengths: Annotated[list[Rate], Field(min_length=1)]  # pixels
    pool: Annotated[int, Field(ge=2)]


class RandomPatches(Section):
    """Convolutions with random patches."""

    filters: Count
    patch: Annotated[int, Field(ge=2)]  # pixels a side
    whitening: Rate  # added to the eigenvalues of the patches' covariance
    rectifier: Coefficient  # both rectifiers let through what exceeds it
    pool: Count  # pixels a side of the windows that are summed
    pool_stride: Count
    sample: Annotated[int, Field(ge=2)]  # patches that the whitening is estimated from
    block_filters: Count  # filters whose features are computed at once


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


def load_theory(*paths: Path) -> Theory:
    """The theory section of files read as one. Raises UsageError where there is none, and as `config.load` does."""
    section = config.load(*paths).theory
    if section is None:
        raise UsageError(f"theory: missing ({' with '.join(map(str, paths))})")
    return config.validated(Theory, section, paths, "theory")
