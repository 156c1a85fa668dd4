"""What the parameters say of one run: its training recipe, and all that identifies it."""

from dataclasses import asdict
from typing import Any

from stages.config import Parameters
from stages.engine.recipe import Recipe


def recipe_of(parameters: Parameters, arch: str) -> Recipe:
    """The training recipe of an architecture under these parameters."""
    train, own, regularizers = parameters.train, parameters.recipe(arch), parameters.regularizers
    return Recipe(
        epochs=own.epochs or train.epochs,
        batch_size=train.batch_size,
        lr=own.lr,
        lr_decay=own.lr_decay,
        lr_milestones=None if own.lr_milestones is None else tuple(own.lr_milestones),
        momentum=train.momentum,
        weight_decay=own.weight_decay if regularizers.weight_decay else 0.0,
        precision=train.precision,
        seed=train.seed,
        stop_when_fitted=train.stop_when_fitted,
    )


def description(parameters: Parameters, arch: str) -> dict[str, Any]:
    """Everything in the parameters that determines a run, as JSON-serialisable values."""
    return {
        "arch": arch,
        "input_size": parameters.input_size(arch),
        "recipe": asdict(recipe_of(parameters, arch)),
        "regularizers": parameters.regularizers.model_dump(),
        "deterministic": parameters.train.deterministic,
    }
