"""Stage index: where every image of ImageNet lies, after reading and decoding each once; they stay where they are."""

import sys

from tqdm import tqdm

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import new_folder
from rethinking.imagenet.common import config
from rethinking.imagenet.common.index import open_index
from rethinking.imagenet.scan import bytes_of, scan


def main() -> None:
    """Write train.npy and test.npy, a record for each image of dataset.source."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    dataset = config.load(*arguments.params).dataset
    source = dataset.path
    interval = 0.5 if sys.stderr.isatty() else 30
    bar = tqdm(
        total=bytes_of(source), desc="index", unit="B", unit_scale=True, mininterval=interval, maxinterval=interval
    )
    with bar, new_folder(arguments.out) as folder:
        passed_over = scan(dataset, folder, bar.update)
    if passed_over:
        print("passed over:", ", ".join(f"{count} x {name}" for name, count in sorted(passed_over.items())))
    index = open_index(arguments.out, source)
    print(f"{index.name}: {len(index.train)} train and {len(index.test)} test images, {len(index.class_names)} classes")


if __name__ == "__main__":
    run_stage(main)
