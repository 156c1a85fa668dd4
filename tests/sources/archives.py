"""Folders and archives made for the tests, from a dict of file names and bytes."""

import io
import os
import tarfile
import zipfile

import numpy as np
from PIL import Image


def write_folder(path, files):
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def write_tar(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def cut(path, share=0.5):
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


class MakesAFolder:
    """An object whose pickle, when it is read, makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def noise(seed, shape=(8, 8, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(pixels, image_format="PNG", **options):
    """Pixels (H, W, 3) or (H, W) as the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, image_format, **options)
    return file.getvalue()


def image_files(classes=("cat", "dog"), per_class=3, shape=(8, 8, 3)):
    """PNG files `train/<class>/<n>.png` and `test/<class>/<n>.png`, each different."""
    names = [f"{split}/{name}/{n}.png" for split in ("train", "test") for name in classes for n in range(per_class)]
    return {name: encode(noise(seed, shape)) for seed, name in enumerate(names)}
