"""Stage parameters: the number of trainable parameters of each of the paper's networks, on CIFAR-10 (its table 1)."""

import argparse
from pathlib import Path

from stages import registry
from stages.errors import run_stage
from stages.files import write_json
from stages.models import parameter_count

# The pixels a side that each network sees (paper, section 3; the Wide ResNet as in its later reproductions).
INPUT_SIZES = {
    "inception": 28,
    "inception_nobn": 28,
    "alexnet": 28,
    "mlp_3x512": 28,
    "mlp_1x512": 28,
    "wrn_28_1": 32,
}


def main() -> None:
    """Build every network for ten classes of RGB images and write its count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    counts = {}
    for arch, size in INPUT_SIZES.items():
        counts[arch] = parameter_count(registry.load("models", arch, "arch").build((3, size, size), 10, 0.0))
        print(f"{arch:<16} {counts[arch]:>10,}")
    write_json(arguments.out, counts)


if __name__ == "__main__":
    run_stage(main)
