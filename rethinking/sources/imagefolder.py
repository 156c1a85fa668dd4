"""Any images of one size, as `train/<class>/<image>` and `test/<class>/<image>` in a folder, tar or zip."""

from pathlib import Path

from rethinking.core.errors import UsageError
from rethinking.sources.common.archives import read_files
from rethinking.sources.common.images import read_image_tree
from rethinking.sources.common.raw import RawData


def read(source: str, downloads: Path) -> RawData:
    """Read the image files of `source`. Raises UsageError without a path, DataError for what cannot be read."""
    if source == "official":
        raise UsageError("dataset.source: an imagefolder has no official source; set a path to a folder, tar or zip")
    return read_image_tree(Path(source), read_files(Path(source)), "imagefolder")
