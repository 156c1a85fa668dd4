"""Stage validate: check every parameter before anything runs; DVC removes a stage's outputs before it starts."""

from pathlib import Path

from rethinking.core import config, registry
from rethinking.core.arguments import path_parser
from rethinking.core.config import Corrupt, Parameters
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import write_text
from rethinking.core.mirrors import require_mirror
from rethinking.core.workspace import require_experiment_kept
from rethinking.theory.common import config as config_theory

NOT_ON_EVERY_SIZE = ("timm/", "torchvision/", "inception_v3")


def main() -> None:
    """Load the parameters; write the same file whatever they are, so that nothing downstream runs again for it."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    require_experiment_kept()
    parameters = config.load(*arguments.params)
    if parameters.theory is not None:
        config_theory.load_theory(*arguments.params)
    require_mirror(parameters.train.mirror)
    require_labels(parameters.corrupt)
    require_trainable_networks(parameters)
    write_text(arguments.out, "The parameters are valid.\n")


def require_labels(corrupt: Corrupt) -> None:
    """Raise UsageError where the file of given labels is not there."""
    if corrupt.kind == "given" and not Path(corrupt.labels).is_file():
        raise UsageError(
            f"corrupt.labels: no such file '{corrupt.labels}'; expected a local one, with --temp or --queue by its "
            "absolute path"
        )


def require_trainable_networks(parameters: Parameters) -> None:
    """Raise UsageError where a network cannot take a training step, as far as that is known before the data is.

    Most of ours can, unless a batch has one image: only then, and for the others, is it worth importing torch.
    """
    for run in dict.fromkeys(run._replace(corruption=None, seed=None) for run in parameters.planned_runs()):
        of_run = parameters.of_run(run)
        if run.arch.startswith(NOT_ON_EVERY_SIZE) or of_run.smallest_batch() == 1:
            from rethinking.models.parts.network import require_trainable

            build, size = registry.load("models", run.arch, "train.archs").build, of_run.input_size(run.arch)
            shape, dropout = (of_run.channels(), size, size), of_run.regularizers.dropout
            require_trainable(run.arch, build, shape, 10, dropout, of_run.train.batch_size, of_run.smallest_batch())


if __name__ == "__main__":
    run_stage(main)
