"""Hand the real entry points what nobody should and show how each refuses it: `make inputs` prints the table.

Each input must be refused with one sentence and the exit code of its kind, 2 for a parameter, 1 for data; without a
traceback, without anything left behind or run, and within bounds of memory and time, however large it claims to be.
A few look wrong and are not: they must be accepted, with the exit code 0.
"""

import argparse
import gzip
import io
import itertools
import json
import os
import pickle
import shlex
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from rethinking.core.files import read_json, seal
from tests.conftest import set_keys
from tests.faults.tables import quoted
from tests.sources.archives import encode, image_files, noise, write_folder, write_tar, write_zip
from tests.yaml_text import as_yaml

ROOT = Path(__file__).resolve().parents[2]
MOST_MEGABYTES = 1024
MOST_SECONDS = 60  # of CPU time
BASE = {
    "dataset": {"name": "digits", "train_size": 40, "test_size": 20},
    "corrupt": {"kind": "labels", "level": 1.0},
    "train": {"archs": ["mlp_1x512"], "epochs": 1, "live": False, "device": "cpu"},
    "archs": {"mlp_1x512": {"lr": 0.01}},
}
STAGES = {
    "validate": "--params params.yaml --out out/valid.txt",
    "fetch": "--params params.yaml --out out/raw",
    "corrupt": "--params params.yaml --raw raw --out out/corrupted",
    "train": "--params params.yaml --arch mlp_1x512 --raw raw --data data --out out/run",
    "evaluate": "--params params.yaml --raw raw --data data --runs runs --out out/metrics",
}
MAKE = f"make --file {shlex.quote(str(ROOT / 'Makefile'))} PYTHON=false .venv/installed"
TEMPORARY = ".dvc/tmp/exps/standalone/tmp1"  # where `dvc exp run --temp` works
TRACE = "trace"  # what hostile inputs make where they are run


class Case(NamedTuple):
    """An input, the stage that is given it, what writes it into a folder, the exit code due, and where it runs."""

    name: str
    stage: str
    write: Callable[[Path], object]
    exit_code: int
    where: str = "."


class Answer(NamedTuple):
    """What a stage did."""

    exit_code: int
    sentence: str
    megabytes: float
    seconds: float
    wrong: list[str]


# --- Parameters


def write_parameters(folder: Path, changes: dict[str, Any]) -> None:
    """params.yaml."""
    document = deepcopy(BASE)
    set_keys(document, changes)
    (folder / "params.yaml").write_text(as_yaml(document), encoding="utf-8")


def parameter(key: str, value: Any, stage: str = "validate", beside: str = "", **also: Any) -> Case:
    """A parameter, perhaps beside others (`also`), which the words `beside` name."""
    shown = ".nan" if value != value else json.dumps(value)
    changes = {key: value, **also}
    return Case(f"`{key}: {shown}`{beside}", stage, lambda folder: write_parameters(folder, changes), 2)


def text(content: str | bytes, name: str) -> Case:
    whole = content if isinstance(content, bytes) else content.encode()
    return Case(name, "validate", lambda folder: (folder / "params.yaml").write_bytes(whole), 2)


def no_file(folder: Path) -> None:
    (folder / "params.yaml").unlink()


def references() -> str:
    """Parameters whose data set's name is a billion values: every line names the one before ten times."""
    lines = ["grid: {corruptions: [", "  &a0 [x, x, x, x, x, x, x, x, x, x],"]
    lines += [f"  &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]," for n in range(1, 9)]
    lines += ["]}", *(f"{name}: {json.dumps(values)}" for name, values in BASE.items())]
    return "\n".join(lines).replace('"digits"', "*a8 ") + "\n"


RESNET = {"train.archs": ["timm/resnet18"], "archs.timm/resnet18": {"lr": 0.05, "input_size": 32}}
PARAMETERS = [
    parameter("corrupt.level", 1.5),
    parameter("corrupt.level", float("nan")),
    parameter("corrupt.leevl", 0.5),
    parameter("corrupt.kind", "lables"),
    parameter("trian", {}),
    parameter("train.archs", ["$(rm -rf ~)"]),
    parameter("train.archs", ["../config"]),
    parameter("train.archs", ["resnet"]),
    parameter("train.epochs", -1),
    parameter("train.epochs", "many"),
    parameter("archs.mlp_1x512.lr", "1e-4"),
    parameter("archs.mlp_1x512.lr", True),
    parameter("dataset.name", "cifar01"),
    parameter("dataset.train_size", 10**30),
    parameter("dataset.train_size", 10**6, "fetch"),
    parameter("train.batch_size", 2**31),
    parameter("archs.mlp_1x512.lr", 1e300),
    parameter("dataset.input_size", 512, "corrupt"),
    parameter("train.archs", []),
    parameter("train.archs", "mlp_1x512"),
    parameter("train.archs", ["mlp_1x512", "mlp_1x512"]),
    parameter("train.archs", ["timm/resnet18.a1_in1k"]),
    parameter("train.archs", ["parts/mlp"]),
    parameter("train.archs", ["alexnet"], beside=" without a recipe"),
    parameter("train.precision", "fp16"),
    parameter("train.device", "gpu"),
    parameter("train.deterministic", "yes"),
    parameter("train.seed", 2**63),
    parameter("train.momentum", 1.0),
    parameter("train.mirror", "mlflow"),
    parameter("train.batch_size", 0),
    parameter("train.batch_size", 1, beside=" with timm/resnet18", **RESNET),
    parameter("train.batch_size", 13, beside=" of 40 images, with timm/resnet18", **RESNET),
    parameter("archs.mlp_1x512.lr", float("inf")),
    parameter("archs.mlp_1x512.lr_decay", 1.5),
    parameter("archs.mlp_1x512.lr_milestones", [0]),
    parameter("archs.mlp_1x512.dropout", 0.5),
    parameter("archs.mlp_1x512.input_size", 32, beside=" on mnist", **{"dataset.name": "mnist"}),
    parameter("archs.mlp_1x512.input_size", 32, beside=" on shuffled pixels", **{"corrupt.kind": "shuffled_pixels"}),
    parameter("corrupt", []),
    parameter("corrupt.level", [0.5, 0.8]),
    parameter("corrupt.kind", "common/pixels"),
    parameter("corrupt.test_labels", 1),
    parameter("dataset", "cifar10"),
    parameter("dataset.train_size", 1.5),
    parameter("dataset.source", "official", "fetch", " of an imagefolder", **{"dataset.name": "imagefolder"}),
    parameter("dataset.source", "digits.tar", "fetch", " of digits"),
    parameter("regularizers.dropout", 1.0),
    parameter("grid.corruptions", ["labels-2"]),
    parameter("resources", {"*": {"gpu": 2}}),
    text("dataset: {", "params.yaml that is no YAML"),
    text("", "empty params.yaml"),
    text("dataset: !!python/object/apply:os.mkdir [trace]\n", "params.yaml that calls Python"),
    text(references(), "params.yaml of a billion references"),
    Case("no params.yaml", "validate", no_file, 2),
    text("- dataset\n", "params.yaml of a list"),
    text("train:\n\tepochs: 1\n", "params.yaml with a tab"),
    text("corrupt: {level: 0, level: 1}\n", "params.yaml with a key twice"),
    text("dataset: {}\n---\ntrain: {}\n", "params.yaml of two documents"),
    text(bytes(100), "params.yaml of zeros"),
    text("# \xe9\n".encode("latin-1"), "params.yaml in Latin-1"),
    text("dataset: " + "[" * 100_000, "params.yaml of 100,000 brackets"),
]


# --- Archives and folders of images


def source(
    name: str, write: Callable[[Path], object], dataset: str = "imagefolder", file: str = "set.tar", code: int = 1
) -> Case:

    def prepare(folder: Path) -> None:
        write_parameters(folder, {"dataset": {"name": dataset, "source": file, "input_size": 8}})
        write(folder / file)

    return Case(name, "fetch", prepare, code)


def tar_of(*members: tarfile.TarInfo) -> Callable[[Path], None]:

    def write(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            for member in members:
                archive.addfile(member)

    return write


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def compressed(*pieces: tuple[bytes, int]) -> Callable[[Path], None]:
    """A gzip of pieces, each about so many times, which costs less to write than to read."""

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            for piece, times in pieces:
                together = min(times, max(1, 2**24 // len(piece)))
                file.write(gzip.compress(piece * together) * (times // together))

    return write


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(5):
            with archive.open(f"train/cat/{number}.png", "w") as file:
                for _ in range(12):
                    file.write(bytes(2**24))


def nested_zip(path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", bytes(2**24))
    write_zip(path, {**image_files(), "train/cat/9.png": inner.getvalue()})


BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]


class MakesAFolder:
    """What a hostile pickle does, harmlessly."""

    def __reduce__(self) -> tuple:
        return os.mkdir, (TRACE,)


def hostile_cifar(path: Path) -> None:
    write_tar(path, {f"cifar-10-batches-py/{name}": pickle.dumps(MakesAFolder()) for name in BATCHES})


def cut_gzip(path: Path) -> None:
    write_tar(path, image_files())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def wrong_checksum(path: Path) -> None:
    write_tar(path, image_files())
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)


def long_name(path: Path) -> None:
    """A name of two gigabytes, in two megabytes."""
    header = member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2**31).tobuf(tarfile.GNU_FORMAT)
    compressed((header, 1), (b"a" * 2**20, 2**11))(path)


def png_header(width: int, height: int, depth: int = 8) -> bytes:
    """A PNG of that size whose pixels are zeros, or are missing where it is large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = bytes((1 + 3 * width * depth // 8) * height) if width * height < 10**6 else b""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def images(name: str, changes: dict[str, bytes], without: str = "nothing", code: int = 1) -> Case:
    """A folder of images, some added or replaced, and those left out whose path begins so."""
    whole = {path: content for path, content in image_files().items() if not path.startswith(without)}
    return source(name, lambda path: write_folder(path, {**whole, **changes}), file="set", code=code)


def linked(link: str, target: str) -> Callable[[Path], None]:
    """A folder of images, and a link in it."""

    def write(path: Path) -> None:
        write_folder(path, image_files())
        (path / link).symlink_to(target)

    return write


def pipe_among_images(path: Path) -> None:
    write_folder(path, image_files())
    os.mkfifo(path / "train/cat/9.png")


def encrypted(path: Path) -> None:
    """A zip whose members say that they need a password."""
    write_zip(path, image_files())
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + flags] |= 1
    path.write_bytes(content)


def one_image_twice(path: Path) -> None:
    """A tar that has two members of one name."""
    write_tar(path, image_files(), "w")
    with tarfile.open(path, "a") as archive:
        archive.addfile(member("train/cat/0.png"))


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


PICTURE = Image.fromarray(noise(0))
ANIMATION = saved(PICTURE, "GIF", save_all=True, append_images=[Image.fromarray(noise(1))])


def one_class(path: Path) -> None:
    write_folder(path, {name: content for name, content in image_files().items() if "dog" not in name})


def empty_class(path: Path) -> None:
    """A class without an image to train on."""
    write_folder(path, {name: content for name, content in image_files().items() if "train/dog" not in name})
    (path / "train/dog").mkdir()


SOURCES = [
    source("no such file", lambda path: None),
    source("a file that is no archive", lambda path: path.write_bytes(b"x" * 5000)),
    source("gzip cut short", cut_gzip, file="set.tar.gz"),
    source("gzip with a wrong checksum", wrong_checksum, file="set.tar.gz"),
    source("tar with an absolute path", tar_of(member("/tmp/x"))),
    source("tar with `..`", tar_of(member("train/../../x"))),
    source("zip with `..`", lambda path: write_zip(path, {"../x": b"x"}), file="set.zip"),
    source("tar with a symbolic link", tar_of(member("train/cat/0.png", tarfile.SYMTYPE, "/etc/passwd"))),
    source("tar with a hard link", tar_of(member("train/cat/0.png", tarfile.LNKTYPE, "/etc/passwd"))),
    source("tar with a device", tar_of(member("train/cat/0.png", tarfile.CHRTYPE))),
    source("tar of 5 million empty files", compressed((member("a").tobuf(), 5_000_000)), file="set.tar.gz"),
    source(
        "tar of 5 million folders", compressed((member("a", tarfile.DIRTYPE).tobuf(), 5_000_000)), file="set.tar.gz"
    ),
    source("tar with a name of 2 GB", long_name, file="set.tar.gz"),
    source(
        "gzip bomb: 8 GB of one image",
        compressed((member("train/cat/0.png", size=8 * 2**30).tobuf(tarfile.GNU_FORMAT), 1), (bytes(2**20), 64)),
        file="set.tar.gz",
    ),
    source("zip bomb: 5 images of 200 MB", zip_bomb, file="set.zip"),
    source("zip in a zip, as an image", nested_zip, file="set.zip"),
    source("CIFAR-10 of another checksum, whose pickles run code", hostile_cifar, "cifar10", "set.tar.gz"),
    source("MNIST without its files", lambda path: write_folder(path, {"readme": b"x"}), "mnist", "set"),
    images("image folder without a test set", {}, without="test"),
    source("empty class", empty_class, file="set"),
    source("one class only", one_class, file="set"),
    images("corrupt JPEG", {"train/cat/9.jpg": encode(noise(0), "JPEG")[:-40]}),
    images("text called PNG", {"train/cat/9.png": b"not an image"}),
    images("grey among colour", {"train/cat/9.png": encode(noise(0, (8, 8)))}),
    images("four channels", {"train/cat/9.png": encode(noise(0, (8, 8, 4)))}),
    images("16 bits a channel", {"train/cat/9.png": png_header(8, 8, depth=16)}),
    images("mixed sizes", {"train/cat/9.png": encode(noise(0, (8, 9, 3)))}),
    images("PNG of 100,000 x 100,000 pixels", {"train/cat/9.png": png_header(100_000, 100_000)}),
    images("TIFF of 16 bits", {"train/cat/9.tif": saved(Image.fromarray(np.zeros((8, 8), np.uint16)), "TIFF")}),
    images("TIFF of floats", {"train/cat/9.tif": saved(Image.fromarray(np.zeros((8, 8), np.float32)), "TIFF")}),
    images("TIFF for a printer (CMYK)", {"train/cat/9.tif": saved(PICTURE.convert("CMYK"), "TIFF")}),
    images("black and white of 1 bit", {"train/cat/9.png": saved(PICTURE.convert("1"), "PNG")}),
    images("animated GIF", {"train/cat/9.gif": ANIMATION}),
    images("empty file called PNG", {"train/cat/9.png": b""}),
    images("stray text in a class", {"train/cat/notes.txt": b"x"}),
    images("stray image beside the classes", {"train/9.png": encode(noise(0))}),
    images("folder in a class", {"train/cat/more/9.png": encode(noise(0))}),
    images("class in the test set only", {"test/bird/0.png": encode(noise(0))}),
    images("class spelt twice", {"train/Cat/0.png": encode(noise(0))}),
    source("link to nowhere", linked("train/cat/9.png", "nowhere"), file="set"),
    source("link to itself", linked("train/cat/9.png", "9.png"), file="set"),
    source("link to the folder that holds it", linked("train/loop", "."), file="set"),
    source("pipe among images", pipe_among_images, file="set"),
    source("pipe in place of an archive", os.mkfifo),
    source("device without an end", lambda path: None, file="/dev/zero"),
    source("address on the web", lambda path: None, file="https://example.org/set.zip"),
    source("zip with a password", encrypted, file="set.zip"),
    source("tar with one name twice", one_image_twice),
    images("two folders of images", {f"copy/{path}": content for path, content in image_files().items()}),
    images("the same image twice in a class", {"train/cat/9.png": image_files()["train/cat/0.png"]}, code=0),
    images("what tools leave beside images", {"train/cat/Thumbs.db": b"x", "train/.DS_Store": b"x"}, code=0),
    images(
        "class name with a line break",
        {"train/a\nb/0.png": encode(noise(0)), "test/a\nb/0.png": encode(noise(1))},
        code=0,
    ),
]


# --- Arrays and weights, under seals that are right


def array(name: str, file: str, content: Callable[[np.ndarray], bytes]) -> Case:

    def prepare(folder: Path) -> None:
        write_parameters(folder, {})
        path = folder / "raw" / file
        path.write_bytes(content(np.load(path)))
        seal_again(folder / "raw")

    return Case(name, "corrupt", prepare, 1)


def seal_again(folder: Path) -> None:
    """As if a set or a run had been written so."""
    meta = read_json(folder / "meta.json")
    (folder / "meta.json").unlink()
    seal(folder, {key: value for key, value in meta.items() if key not in ("sha256", "seal")})


def npy(values: np.ndarray) -> bytes:
    """An array as a file; pickled where it holds objects."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def npy_header(header: str, length: int | None = None) -> bytes:
    """An .npy file with that header, or that claims one of that length, and 100 bytes of data."""
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", length or len(header)) + header.encode() + bytes(100)


def given_labels(name: str, file: str, content: Callable[[np.ndarray], bytes]) -> Case:

    def prepare(folder: Path) -> None:
        write_parameters(folder, {"corrupt.kind": "given", "corrupt.labels": file})
        (folder / file).write_bytes(content(np.load(folder / "raw/train_labels.npy")))

    return Case(name, "corrupt", prepare, 1)


def csv(*columns: np.ndarray) -> bytes:
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join(["label,true_label", *rows]).encode()


def weights(name: str, content: Callable[[Path], bytes]) -> Case:

    def prepare(folder: Path) -> None:
        write_parameters(folder, {})
        path = folder / "runs/mlp_1x512/model.safetensors"
        path.write_bytes(content(path))
        seal_again(path.parent)

    return Case(name, "evaluate", prepare, 1)


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_file(tensors, Path(folder) / "x", {"run": "x"})
        return (Path(folder) / "x").read_bytes()


def renamed(path: Path) -> bytes:
    return safetensors({f"other.{name}": values for name, values in load_file(path).items()})


def doubled(path: Path) -> bytes:
    return safetensors({name: np.concatenate([values, values]) for name, values in load_file(path).items()})


def flipped_meta(folder: Path) -> None:
    """A meta.json that says another class of an image, under the old seal."""
    write_parameters(folder, {})
    path = folder / "raw/meta.json"
    path.write_text(path.read_text().replace('"digits"', '"cifar10"'))


def stray_file(folder: Path) -> None:
    """A file that no seal names and no stage reads."""
    write_parameters(folder, {})
    (folder / "raw/notes.txt").write_text("x")


SHAPE = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 32, 32, 3), }\n"
ARRAYS = [
    array("`.npy` of pickled objects", "train_images.npy", lambda old: npy(np.array([MakesAFolder()], dtype=object))),
    array("`.npy` of another type", "train_images.npy", lambda old: npy(old.astype(np.float64))),
    array("`.npy` of another shape", "train_images.npy", lambda old: npy(old[0])),
    array("`.npy` with fewer labels", "train_labels.npy", lambda old: npy(old[:-1])),
    array("`.npy` with a label of no class", "train_labels.npy", lambda old: npy(old + 1000)),
    array("`.npy` that claims 3 PB", "train_images.npy", lambda old: npy_header(SHAPE)),
    array("`.npy` that claims a header of 4 GB", "train_images.npy", lambda old: npy_header("{", 2**32 - 1)),
    array(
        "`.npy` with code in its header",
        "train_images.npy",
        lambda old: npy_header("__import__('os').mkdir('trace')\n"),
    ),
    array("`.npy` that is empty", "train_images.npy", lambda old: b""),
    Case("`meta.json` with another data set's name", "corrupt", flipped_meta, 1),
    Case("data set deleted", "corrupt", lambda folder: shutil.rmtree(folder / "raw"), 1),
    Case("data set without `meta.json`", "corrupt", lambda folder: (folder / "raw/meta.json").unlink(), 1),
    Case("stray file in a data set", "corrupt", stray_file, 0),
    Case("corrupted set deleted", "train", lambda folder: shutil.rmtree(folder / "data"), 1),
    Case("runs deleted", "evaluate", lambda folder: shutil.rmtree(folder / "runs"), 1),
    given_labels(
        "given labels that are a pickle", "human.npy", lambda true: npy(np.array([MakesAFolder()], dtype=object))
    ),
    given_labels("given labels of fewer images", "human.npy", lambda true: npy(true[1:])),
    given_labels("given labels of images in another order", "human.csv", lambda true: csv(true[::-1], true[::-1])),
    weights("`.safetensors` that claims a header of 16 EB", lambda path: b"\xff" * 8 + b"{}"),
    weights("`.safetensors` that is a pickle", lambda path: pickle.dumps(MakesAFolder())),
    weights("`.safetensors` cut short", lambda path: path.read_bytes()[:5000]),
    weights("`.safetensors` of other names", renamed),
    weights("`.safetensors` of another shape", doubled),
]


# --- Where they are run


def temporary(name: str, code: int, write: Callable[[Path], object], changes: dict[str, Any], stage: str) -> Case:
    """What is found in a copy of `dvc exp run --temp`; `write` gets the folder that it was copied from."""

    def prepare(folder: Path) -> None:
        copy = folder / TEMPORARY
        copy.mkdir(parents=True)
        write_parameters(copy, changes)
        write(folder)

    return Case(name, stage, prepare, code, TEMPORARY)


def untracked(package: str) -> Callable[[Path], object]:
    return lambda folder: write_folder(folder, {f"rethinking/{package}/mine.py": b""})


def elsewhere(name: str, folder_name: str, code: int) -> Case:
    """The same in a copy that lies below another folder."""
    where = f"{folder_name}/{TEMPORARY}"

    def prepare(folder: Path) -> None:
        (folder / where).mkdir(parents=True)
        write_parameters(folder / where, {})

    return Case(name, "validate", prepare, code, where)


PLACES = [
    temporary(
        "`--temp`, a new architecture that Git does not track",
        2,
        untracked("models"),
        {"train.archs": ["mine"], "archs.mine": {"lr": 0.01}},
        "validate",
    ),
    temporary(
        "`--temp`, a new corruption that Git does not track",
        2,
        untracked("corruptions"),
        {"corrupt.kind": "mine"},
        "validate",
    ),
    temporary(
        "`--temp`, a relative `dataset.source`",
        1,
        lambda folder: write_folder(folder / "set", image_files()),
        {"dataset": {"name": "imagefolder", "source": "set"}},
        "fetch",
    ),
    temporary(
        "`--temp`, a shallow clone",
        1,
        lambda folder: write_folder(folder, {".git/shallow": b""}),
        {},
        "validate",
    ),
    elsewhere("`--temp`, a folder called `a%20b`", "a%20b", 1),
    elsewhere("`--temp`, a folder with a space and letters outside ASCII", "größe 漢字", 0),
    Case("`make`, a zip download without `.git`", "make", lambda folder: (folder / "requirements.lock").touch(), 2),
]


# --- How they are tried


def base(folder: Path) -> Path:
    """A folder with parameters, a data set and a run that are right, made by the stages themselves."""
    write_parameters(folder, {})
    for stage, arguments in (
        ("fetch", "--out raw"),
        ("corrupt", "--raw raw --out data"),
        ("train", "--arch mlp_1x512 --raw raw --data data --out runs/mlp_1x512"),
    ):
        answer = answer_of(folder, stage, f"--params params.yaml {arguments}")
        if answer.exit_code:
            raise RuntimeError(f"{stage} fails on what is right: {answer}")
    shutil.rmtree(folder / "checkpoints")
    return folder


def tried(case: Case, right: Path) -> Answer:
    """What the stage does with the input, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "folder"
        shutil.copytree(right, folder)
        case.write(folder)
        before = set(folder.rglob("*"))
        answer = answer_of(folder / case.where, case.stage, STAGES.get(case.stage, ""))
        left = set(folder.rglob("*")) - before
    wrong = [*answer.wrong]
    wrong += [f"exit code {answer.exit_code}, due {case.exit_code}"] * (answer.exit_code != case.exit_code)
    kept = folder / case.where / "out"
    if case.exit_code:
        wrong += [f"left behind: {path.relative_to(folder)}" for path in left if path != kept]
    wrong += [f"{answer.megabytes:.0f} MB"] * (answer.megabytes > MOST_MEGABYTES)
    wrong += [f"{answer.seconds:.0f} s"] * (answer.seconds > MOST_SECONDS)
    return answer._replace(sentence=answer.sentence.replace(str(folder), "/project"), wrong=wrong)


def answer_of(folder: Path, stage: str, arguments: str) -> Answer:
    """Run a stage; its exit code, its sentence, the memory it took at most and the seconds of CPU time."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = shlex.split(MAKE if stage == "make" else f"{sys.executable} -m stages.{stage} {arguments}")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = exit_code = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    lines = [line for line in said.splitlines() if not line.startswith(("fatal: ", "make: "))]  # of Git and make
    said = "\n".join(lines)
    one = len(lines) == 1 and lines[0].startswith("error: ")
    wrong = [] if exit_code == 0 or one else [f"more than a sentence: {said[-2000:]}"]
    return Answer(exit_code, said.removeprefix("error: "), used.ru_maxrss / 2**10, used.ru_utime + used.ru_stime, wrong)


def row(case: Case, answer: Answer) -> str:
    said = quoted(answer.sentence) if case.exit_code else "accepted"
    outcome = f"**{'; '.join(answer.wrong)}**" if answer.wrong else said
    return f"| {case.name} | {answer.exit_code} | {outcome} |"


def main() -> None:
    """Try every input, or those whose name contains a word; print the table; exit with 1 if one was not refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="", help="only inputs whose name contains it")
    arguments = parser.parse_args()
    chosen = [case for case in itertools.chain(PARAMETERS, SOURCES, ARRAYS, PLACES) if arguments.word in case.name]
    print("| input | exit code | what is said |\n| --- | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        right = base(Path(folder))
        answers = []
        for case in chosen:
            answers.append(tried(case, right))
            print(row(case, answers[-1]), flush=True)
    wrong = sum(bool(answer.wrong) for answer in answers)
    megabytes, seconds = max(answer.megabytes for answer in answers), max(answer.seconds for answer in answers)
    right_answers = [answer for answer in answers if not answer.wrong]
    refused = sum(bool(answer.exit_code) for answer in right_answers)
    print(f"\n{refused} refused and {len(right_answers) - refused} accepted, rightly, of {len(answers)}, ", end="")
    print(f"with at most {megabytes:.0f} MB and {seconds:.0f} s each.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
