"""Stage parameters: the number of trainable parameters of each of the paper's networks, on CIFAR-10 and on ImageNet."""

from rethinking.core import config, registry
from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import write_json
from rethinking.models.parts.network import parameter_count

ARCHS = ("inception", "inception_nobn", "alexnet", "mlp_3x512", "mlp_1x512", "wrn_28_1")


def main() -> None:
    """Build every network for ten classes of RGB images, and Inception V3 for ImageNet; write their counts."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    parameters = config.load(*arguments.params)
    counts = {}
    for arch in ARCHS:
        size = parameters.input_size(arch)
        counts[arch] = parameter_count(registry.load("models", arch, "arch").build((3, size, size), 10, 0.0))
    inception_v3 = registry.load("models", "inception_v3", "arch")
    for name, auxiliary in (("inception_v3", False), ("inception_v3_auxiliary", True)):
        counts[name] = parameter_count(inception_v3.build((3, 299, 299), 1000, 0.0, auxiliary=auxiliary))
    for name, count in counts.items():
        print(f"{name:<22} {count:>10,}")
    write_json(arguments.out, counts)


if __name__ == "__main__":
    run_stage(main)
