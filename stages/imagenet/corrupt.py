"""Stage corrupt: the labels that a network is to learn, by the number of the image (paper, section 2.1), audited."""

import numpy as np

from rethinking.core import registry
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import NO_CORRUPTION, ImageData, save_arrays
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_folder, write_json
from rethinking.core.run_name import kind_and_level
from rethinking.corruptions.common.request import Request
from rethinking.imagenet.common import config
from rethinking.imagenet.common.index import Index, Split, open_index


def main() -> None:
    """Write train_labels.npy, train_true_labels.npy and the audit."""
    parser = path_parser(__doc__, "params", "index", "out")
    parser.add_argument("--name", required=True, help="one of the corruptions")
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)
    if arguments.name not in parameters.corruptions:
        raise UsageError(f"--name: found '{arguments.name}'; allowed: {', '.join(parameters.corruptions)}")
    index = open_index(arguments.index, parameters.dataset.path)
    kind, level = kind_and_level(arguments.name)
    data, request = labels_of(index), Request(level, parameters.corrupt.seed, parameters.train.input_size)
    module = registry.load("corruptions", kind, "rows")
    changed = module.corrupt(data, request)
    labels = changed["train_labels"]
    description = {"kind": kind, "level": level, "seed": parameters.corrupt.seed}
    audit = {**description, **module.audit(data, changed, request)}
    audit["largest_train_accuracy"] = largest_train_accuracy(index.train, labels)
    if not audit["ok"]:
        raise DataError(f"the audit of {kind} at level {level} failed, nothing was written: {audit}")
    with new_folder(arguments.out) as folder:
        write_json(folder / "audit.json", audit)
        arrays = {"train_labels": labels, "train_true_labels": data.train_labels}
        save_arrays(folder, arrays, {"index": index.fingerprint, "corruption": description})
    print(f"{arguments.name}: {audit['changed']:.2%} changed, expected {audit['expected_changed']:.2%}")


def labels_of(index: Index) -> ImageData:
    """The index as the corruptions of labels know a data set; a record stands for its image."""
    return ImageData(
        train_images=index.train.records,
        train_labels=index.train.labels,
        test_images=index.test.records,
        test_labels=index.test.labels,
        train_true_labels=index.train.labels,
        name=index.name,
        class_names=index.class_names,
        corruption=NO_CORRUPTION,
        fingerprint=index.fingerprint,
    )


def largest_train_accuracy(split: Split, labels: np.ndarray) -> float:
    """The share of training images that any function of the image can fit: of images with equal bytes, those that have
    the label most of them have."""
    same = split.records["sha256"].reshape(len(split), -1)
    _, group = np.unique(same, axis=0, return_inverse=True)
    pairs, counts = np.unique(np.stack([group.reshape(-1), labels]), axis=1, return_counts=True)
    most = np.zeros(int(pairs[0].max()) + 1, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return int(most.sum()) / len(labels)


if __name__ == "__main__":
    run_stage(main)
