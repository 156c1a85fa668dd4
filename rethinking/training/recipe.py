"""How a network is trained (paper, section 3 and appendix A), as plain values."""

from dataclasses import asdict, dataclass
from typing import Any

from rethinking.core.config import Parameters


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum and a learning rate that falls by `lr_decay` after every epoch, or after each milestone.

    Where `schedule_epochs` differs from `epochs`, the fall over so many is squeezed or stretched into those that are
    trained. An evaluation follows every `evaluate_every` epochs, the last one, and all that are close to the fit.
    `stop_when_fitted` ends a run so many epochs after it fitted its training set; None trains all epochs.
    """

    epochs: int
    batch_size: int
    lr: float
    lr_decay: float
    lr_milestones: tuple[int, ...] | None
    momentum: float
    weight_decay: float
    precision: str
    seed: int
    evaluate_every: int = 1
    stop_when_fitted: int | None = None
    schedule_epochs: int | None = None

    def lr_at(self, epoch: int) -> float:
        """The learning rate during the epoch of that number, counted from 1."""
        done = (epoch - 1) * (self.schedule_epochs or self.epochs) / self.epochs
        drops = done if self.lr_milestones is None else sum(done >= mark for mark in self.lr_milestones)
        return self.lr * self.lr_decay**drops


def recipe_of(parameters: Parameters, arch: str) -> Recipe:
    """The training recipe of an architecture under these parameters."""
    train, own, regularizers = parameters.train, parameters.recipe(arch), parameters.regularizers
    epochs = own.epochs or train.epochs
    return Recipe(
        epochs=train.scaled_epochs or epochs,
        batch_size=train.batch_size,
        lr=own.lr,
        lr_decay=own.lr_decay,
        lr_milestones=None if own.lr_milestones is None else tuple(own.lr_milestones),
        momentum=train.momentum,
        weight_decay=own.weight_decay if regularizers.weight_decay else 0.0,
        precision=train.precision,
        seed=train.seed,
        evaluate_every=train.evaluate_every,
        stop_when_fitted=train.stop_when_fitted,
        schedule_epochs=epochs,
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
