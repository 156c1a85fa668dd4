"""Stage index: where every image of ImageNet lies, after reading and decoding each once; they stay where they are."""

import sys

from tqdm import tqdm

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import new_folder
from rethinking.imagenet import config
from rethinking.imagenet.index import open_index
from rethinking.imagenet.scan import scan

IMAGENET_IMAGES = 1_331_167


def main() -> None:
    """Write train.npy and test.npy, a record for each image of dataset.source."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    dataset = config.load(*arguments.params).dataset
    source = dataset.path
    interval = 0.5 if sys.stderr.isatty() else 30
    official = (source / "ILSVRC2012_img_train.tar").exists()
    total = IMAGENET_IMAGES if official else None
    with (
        tqdm(total=total, desc="index", unit="image", mininterval=interval, maxinterval=interval) as bar,
        new_folder(arguments.out) as folder,
    ):
        passed_over = scan(dataset, folder, lambda path: bar.update())
    if passed_over:
        print("passed over:", ", ".join(f"{count} x {name}" for name, count in sorted(passed_over.items())))
    index = open_index(arguments.out, source)
    print(f"{index.name}: {len(index.train)} train and {len(index.test)} test images, {len(index.class_names)} classes")


if __name__ == "__main__":
    run_stage(main)
