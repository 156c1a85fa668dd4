"""Write a raw or corrupted data set whole, for use elsewhere: `python -m tools.export NAME OUT`.

NAME is a folder below data/corrupted (`headline`, `demo/labels-0.5`) or below data (`raw`); OUT is a folder or an .npz.
"""

from pathlib import Path

import numpy as np

from rethinking.core.arguments import path_parser
from rethinking.core.arrays import ImageData, array_hashes, open_dataset, raw_fingerprint, save_arrays
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_file, new_folder, read_json


def main() -> None:
    """Open the data set with its raw set, wherever below data/ that is, and write all of it."""
    parser = path_parser(__doc__, data="data")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("out", metavar="OUT", type=Path)
    arguments = parser.parse_args()
    if arguments.out.exists():
        raise UsageError(f"OUT: '{arguments.out}' exists already; name a new folder or .npz file")

    folder = _find(arguments.data, arguments.name)
    meta = read_json(folder / "meta.json")
    data = open_dataset(folder, _raw_set(arguments.data, meta["raw"]) if "raw" in meta else None)
    arrays = {
        name: getattr(data, name)
        for name in ("train_images", "train_labels", "train_true_labels", "test_images", "test_labels")
    }
    if "test_true_labels.npy" in array_hashes(meta):  # where corrupt.test_labels changed them
        arrays["test_true_labels"] = np.load(folder / "test_true_labels.npy")
    if arguments.out.suffix == ".npz":
        with new_file(arguments.out) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, **arrays)
    else:
        with new_folder(arguments.out) as partial:
            save_arrays(partial, arrays, _description(data))
    print(f"{arguments.out}: {', '.join(f'{name} {array.shape} {array.dtype}' for name, array in arrays.items())}")


def _find(data: Path, name: str) -> Path:
    for folder in (data / "corrupted" / name, data / name):
        if (folder / "meta.json").is_file():
            return folder
    known = sorted(path.parent.relative_to(data).as_posix() for path in data.rglob("meta.json"))
    known = [path.removeprefix("corrupted/") for path in known]
    raise UsageError(
        f"NAME: no data set '{name}' below {data}; there are {', '.join(known) or 'none, run `dvc repro`'}"
    )


def _raw_set(data: Path, wanted: str) -> Path:
    for path in sorted(data.glob("*/meta.json")):
        meta = read_json(path)
        if "sha256" in meta and "raw" not in meta and raw_fingerprint(meta) == wanted:
            return path.parent
    raise DataError(f"no raw set below {data} is the one this was made from; run `dvc repro` to make it")


def _description(data: ImageData) -> dict:
    return {
        "dataset": data.name,
        "classes": data.classes,
        "class_names": data.class_names,
        "image_shape": list(data.train_images.shape[1:]),
        "corruption": dict(data.corruption),
    }


if __name__ == "__main__":
    run_stage(main)
