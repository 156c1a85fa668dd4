"""Stage validate: the parameters of the ImageNet part, before anything is computed."""

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import write_text
from rethinking.core.mirrors import require_mirror
from rethinking.core.workspace import require_experiment_kept
from rethinking.imagenet.common import config


def main() -> None:
    """Load the parameters; write the same file whatever they are, so that nothing downstream runs again for it."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    require_experiment_kept()
    require_mirror(config.load(*arguments.params).execution.mirror, "execution.mirror")
    write_text(arguments.out, "The parameters are valid.\n")


if __name__ == "__main__":
    run_stage(main)
