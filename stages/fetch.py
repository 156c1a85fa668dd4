"""Stage fetch: bring a data set to arrays on disk (paper, section 2), verified, optionally a class-balanced subset."""

from rethinking.core import config, registry
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import save_arrays
from rethinking.core.errors import run_stage
from rethinking.core.files import new_folder
from rethinking.core.workspace import downloads_folder
from rethinking.sources.common.archives import fingerprint


def main() -> None:
    """Read dataset.name from dataset.source and write the raw set."""
    arguments = path_parser(__doc__, "params", "out").parse_args()
    parameters = config.load(*arguments.params)
    dataset = parameters.dataset

    source = registry.load("sources", dataset.name, "dataset.name")
    whole = source.read(dataset.source, downloads_folder())
    parameters.require_large_enough(min(whole.train_images.shape[1:3]))
    raw = whole.subset(dataset.train_size, dataset.test_size, dataset.seed)

    arrays = {name: getattr(raw, name) for name in ("train_images", "train_labels", "test_images", "test_labels")}
    meta = {
        "dataset": raw.name,
        "classes": len(raw.class_names),
        "class_names": raw.class_names,
        "image_shape": list(raw.train_images.shape[1:]),
        "train_size": len(raw.train_labels),
        "test_size": len(raw.test_labels),
        "source": {"kind": raw.source_kind, "sha256": raw.source_path and fingerprint(raw.source_path)},
    }
    with new_folder(arguments.out) as folder:
        save_arrays(folder, arrays, meta)
    if raw.passed_over:
        print("passed over:", ", ".join(f"{count} x {name}" for name, count in sorted(raw.passed_over.items())))
    print(f"{raw.name}: {len(raw.train_labels)} train and {len(raw.test_labels)} test images, {raw.source_kind}")


if __name__ == "__main__":
    run_stage(main)
