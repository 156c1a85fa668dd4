"""Any images of one size, as `train/<class>/<image>` and `test/<class>/<image>` in a folder, tar or zip."""

from pathlib import Path

from stages.data.filetree import read_files
from stages.data.raw import RawData
from stages.data.sources._images import read_image_tree
from stages.errors import UsageError


def read(source: str, downloads: Path) -> RawData:
    """Read the image files of `source`. Raises UsageError without a path, DataError for what cannot be read."""
    if source == "official":
        raise UsageError("dataset.source: an imagefolder has no official source; set a path to a folder, tar or zip")
    return read_image_tree(Path(source), read_files(Path(source)), "imagefolder")
