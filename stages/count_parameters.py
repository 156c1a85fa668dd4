"""Stage parameters: the number of trainable parameters of each of the paper's networks, on CIFAR-10 (its table 1)."""

from rethinking.core import config, registry
from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import write_json
from rethinking.models.parts.network import parameter_count

ARCHS = ("inception", "inception_nobn", "alexnet", "mlp_3x512", "mlp_1x512", "wrn_28_1")


def main() -> None:
    """Build every network for ten classes of RGB images and write its count."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    parameters = config.load(*arguments.params)
    counts = {}
    for arch in ARCHS:
        size = parameters.input_size(arch)
        counts[arch] = parameter_count(registry.load("models", arch, "arch").build((3, size, size), 10, 0.0))
        print(f"{arch:<16} {counts[arch]:>10,}")
    write_json(arguments.out, counts)


if __name__ == "__main__":
    run_stage(main)
