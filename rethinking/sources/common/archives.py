"""The files of a folder, a tar or a zip, read into memory one by one.

An archive may come from a stranger: links, devices, absolute paths, paths with `..` and oversized members are refused.
A folder is the user's own: its links are followed.
"""

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rethinking.core.errors import DataError
from rethinking.core.files import sha256, sha256_of
from rethinking.core.workspace import left_out, main_copy

DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, ValueError)
MAX_FILES = 4_000_000
MAX_FILE_BYTES = 256 * 2**20
MAX_TOTAL_BYTES = 64 * 2**30
# No archive of images unpacks to a hundred times its size: one that does is hostile, unless it is small.
MAX_EXPANSION = 100
HARMLESS_BYTES = 64 * 2**20
MEMBER_BYTES = 4096  # added to each member's size, as millions of empty members take long to read, too
MAX_HEADER_BYTES = 2**20


def read_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every file below a folder, or in a tar or zip archive.

    Raises DataError for a missing, truncated, hostile or unknown file, and for a link to nowhere or in a circle.
    """
    require_not_left_out(source)
    if not source.is_file() and not source.is_dir():  # what is neither, such as a pipe, may never end
        raise DataError(
            f"dataset.source: no such file or folder '{source}'; expected 'official' or a path to an archive or folder"
        )
    total, max_bytes = 0, MAX_TOTAL_BYTES
    if source.is_file():
        max_bytes = min(max_bytes, max(HARMLESS_BYTES, MAX_EXPANSION * source.stat().st_size))
    try:
        for number, (name, size, read) in enumerate(_members(source), start=1):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name:
                raise DataError(f"dataset.source: '{source}' holds the unsafe path '{name}'; nothing was unpacked")
            total += MEMBER_BYTES + size
            if number > MAX_FILES or size > MAX_FILE_BYTES or total > max_bytes:
                raise DataError(f"dataset.source: '{source}' is larger than a data set can be, at member '{name}'")
            if read is not None:
                yield name, read()
    except RuntimeError as error:  # of zipfile, for a password or an unknown compression
        raise DataError(
            f"dataset.source: '{source}' cannot be unpacked here, so unpack it and give the folder ({error})"
        ) from None
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"dataset.source: '{source}' is damaged or cut short ({error}); fetch it again") from None


def require_not_left_out(source: Path) -> None:
    """Raise DataError in a copy of `dvc exp run --temp` or `--queue` that lacks a source that the main copy has."""
    if left_out(source):
        raise DataError(
            f"dataset.source: found '{source}', but --temp and --queue run in another folder; give the absolute path "
            f"'{main_copy() / source}'"
        )


def fingerprint(source: Path) -> str:
    """SHA-256 of an archive's bytes, or of the names and hashes of a folder's files."""
    if source.is_file():
        return sha256(source)
    return sha256_of([(name, hashlib.sha256(content).hexdigest()) for name, content in read_files(source)])


def _members(source: Path) -> Iterator[tuple]:
    """(name, size, function that reads the bytes) of every member; for a folder, None is in place of the function."""
    if source.is_dir():
        for path in files_below(source):
            yield path.relative_to(source).as_posix(), path.stat().st_size, path.read_bytes
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                yield info.filename, info.file_size, None if info.is_dir() else lambda info=info: archive.read(info)
    else:
        with tarfile.open(source, tarinfo=Member) as archive:
            for member in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # where tarfile keeps every header
                if member.issym() or member.islnk() or not (member.isfile() or member.isdir()):
                    raise DataError(
                        f"dataset.source: '{source}' holds '{member.name}', a link or device; only plain files are read"
                    )
                yield member.name, member.size, None if member.isdir() else lambda member=member: _read(archive, member)
            check_end(archive)


def files_below(folder: Path, *above: Path) -> Iterator[Path]:
    """The files below a folder, sorted, through links too; `above` are the real folders on the way to it."""
    real = folder.resolve()
    if real in above:
        raise DataError(f"dataset.source: '{folder}' is a link to a folder that holds it; delete the link")
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from files_below(path, *above, real)
        elif path.is_file():
            yield path
        else:
            raise DataError(f"dataset.source: '{path}' is a broken link or a device; delete it")


class Member(tarfile.TarInfo):
    """A member's header; tarfile reads what belongs to it, such as a long name, into memory whatever its size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
        member = super().frombuf(buf, encoding, errors)
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise ValueError(f"'{member.name}' is a sparse file")
        if member.type not in tarfile.REGULAR_TYPES and member.size > MAX_HEADER_BYTES:
            raise ValueError(f"the header of '{member.name}' is {member.size} bytes long")
        return member


def check_end(archive: tarfile.TarFile) -> None:
    """Raise EOFError unless nothing but the end mark follows, as tarfile takes a cut or damaged header for the end.

    Reading to the last byte also checks the checksum of a compressed file.
    """
    rest = 0
    while block := archive.fileobj.read(2**20):  # type: ignore[union-attr]
        rest += len(block)
        if block.strip(b"\0"):
            raise EOFError("a member's header is damaged")
    if not rest:
        raise EOFError("the end mark is missing")


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise EOFError(f"'{member.name}' ends early")
    return content
