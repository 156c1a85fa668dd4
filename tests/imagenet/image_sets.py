"""Small sets of image files as ImageNet has them, and the stages of its pipeline on them."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from rethinking.imagenet.common.config import Execution
from tests.sources.archives import write_folder
from tests.stage_processes import StageProcess
from tests.yaml_text import as_yaml

CLASSES = ("n01", "n02")


def noise(seed: int, size: tuple[int, int] = (90, 80), mode: str = "RGB", form: str = "jpeg") -> bytes:
    """An image file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels).convert(mode), form)


def encoded(image: Image.Image, form: str = "jpeg") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def image_files(train: int = 8, test: int = 2) -> dict[str, bytes]:
    """So many files of each split and class, by path."""
    counts = {"train": train, "test": test}
    return {
        f"{split}/{name}/{number}.JPEG": noise(1000 * (split == "train") + 100 * CLASSES.index(name) + number)
        for split, count in counts.items()
        for name in CLASSES
        for number in range(count)
    }


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


# A network small enough to train for some steps in seconds.
TRAIN = {
    "width": 0.1,
    "input_size": 75,
    "epochs": 3,
    "batch_size": 8,
    "group_size": 2,
    "lr": 0.01,
    "weight_decay": 0.001,
    "dropout": 0.2,
    "auxiliary_loss": 0.4,
    "average_decay": 0.9,
    "statistics_decay": 0.9,
    "evaluated_images": 8,
    "evaluation_batch": 3,
}
EXECUTION = {"checkpoint_every": 1, "device": "cpu", "live": False}
ROWS = {
    "all": {"corruption": "labels-1.0", "variant": "augmentation+dropout+weight_decay"},
    "plain": {"corruption": "none", "variant": "plain"},
}


def write_params(folder: Path, source: Path, **changes: object) -> Path:
    """A parameter file with some keys of the sections train and execution changed."""
    path = folder / "params.yaml"
    execution = {key: changes.pop(key) for key in [*changes] if key in Execution.model_fields}
    document = {
        "dataset": {"source": str(source)},
        "train": {**TRAIN, **changes},
        "execution": {**EXECUTION, **execution},
        "rows": ROWS,
    }
    path.write_text(as_yaml(document), encoding="utf-8")
    return path


def stage(name: str, *arguments: object, **variables: object) -> StageProcess:
    """Start a stage, perhaps with more variables in its environment."""
    environment = {**os.environ, **{key: str(value) for key, value in variables.items()}}
    return StageProcess(f"stages.imagenet.{name}", *arguments, environment=environment)


def training(row: str = "all", out: str = "run", **variables: object) -> StageProcess:
    data = f"labels/{ROWS[row]['corruption']}"
    return stage("train", "--row", row, "--index", "index", "--data", data, "--out", out, **variables)


def prepare(folder: Path, **train: object) -> None:
    """Write images, parameters, index and labels into the current folder."""
    write_params(folder, write_folder(folder / "images", image_files()), **train)
    assert stage("index", "--out", "index").wait() == 0
    for name in ("none", "labels-1.0"):
        assert stage("corrupt", "--index", "index", "--name", name, "--out", f"labels/{name}").wait() == 0
