"""A stranger's archive can be cut short, damaged or hostile; it never yields a part of itself as if it were whole."""

import lzma
import os
import tarfile
from pathlib import Path

import pytest

from rethinking.core.errors import DataError
from rethinking.sources.common.archives import fingerprint, read_files
from tests.sources.archives import cut, noise, write_folder, write_tar, write_zip

FILES = {f"train/cat/{n}.png": noise(n, 20_000).tobytes() for n in range(5)}
TAR_MEMBER = 512 + 20_480  # a header and its file, filled up to whole blocks of 512 bytes


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_yields_its_files(tmp_path, mode):
    assert dict(read_files(write_tar(tmp_path / "set", FILES, mode))) == FILES


def test_a_zip_and_a_folder_yield_their_files(tmp_path):
    assert dict(read_files(write_zip(tmp_path / "set.zip", FILES))) == FILES
    assert dict(read_files(write_folder(tmp_path / "set", FILES))) == FILES


def test_a_missing_source_is_named_and_so_is_one_that_may_never_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.tar")
    for source in (tmp_path / "absent.tar", tmp_path / "pipe.tar", Path("/dev/zero")):
        with pytest.raises(DataError, match=rf"dataset\.source: no such file or folder '{source}'"):
            next(read_files(source))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "set").write_text("not an archive")
    with pytest.raises(DataError, match=r"dataset\.source"):
        list(read_files(tmp_path / "set"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.7])
def test_a_tar_cut_short_is_refused(tmp_path, mode, share):
    with pytest.raises(DataError, match="damaged or cut short"):
        list(read_files(cut(write_tar(tmp_path / "set", FILES, mode), share)))


def flipped(content, place):
    """The bytes with one bit changed."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def with_header(content, local, central, value):
    """A zip of one member with another byte in both of its headers."""
    changed = bytearray(content)
    changed[local] = changed[content.index(b"PK\x01\x02") + central] = value
    return bytes(changed)


IN_A_HEADER = 3 * TAR_MEMBER + 5
DAMAGED = {
    "a zip cut short": ("zip", lambda content: content[: len(content) // 2]),
    "a tar cut between members": ("w", lambda content: content[: 3 * TAR_MEMBER]),
    "a tar cut in a header": ("w", lambda content: content[: 3 * TAR_MEMBER + 100]),
    "a tar's damaged header": ("w", lambda content: flipped(content, IN_A_HEADER)),
    "a packed tar's damaged header": ("w", lambda content: lzma.compress(flipped(content, IN_A_HEADER))),
    "a gzip checksum that disagrees": ("w:gz", lambda content: flipped(content, len(content) - 8)),
    "an xz with a damaged byte": ("w:xz", lambda content: flipped(content, len(content) // 2)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_archive_is_refused(tmp_path, name):
    mode, damage = DAMAGED[name]
    path = write_zip(tmp_path / "set", FILES) if mode == "zip" else write_tar(tmp_path / "set", FILES, mode)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"dataset\.source: .* damaged or cut short"):
        list(read_files(path))


@pytest.mark.parametrize("header", [(6, 8, 1), (8, 10, 99)], ids=["password", "unknown compression"])
def test_a_zip_that_only_others_can_unpack_is_refused(tmp_path, header):
    path = write_zip(tmp_path / "set", FILES)
    path.write_bytes(with_header(path.read_bytes(), *header))
    with pytest.raises(DataError, match="cannot be unpacked here, so unpack it and give the folder"):
        list(read_files(path))


UNSAFE = ["../../x", "/x", "train/../../x", "train\\..\\x"]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_a_path_out_of_the_archive_is_refused(tmp_path, write, name):
    with pytest.raises(DataError, match="unsafe path"):
        list(read_files(write(tmp_path / "set", {name: b"content"})))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("train/cat/0.png")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "set", "w") as archive:
        archive.addfile(member)
    with pytest.raises(DataError, match=r"'train/cat/0\.png', a link or device"):
        list(read_files(tmp_path / "set"))


def test_a_member_larger_than_a_data_set_is_refused_unread(tmp_path):
    member = tarfile.TarInfo("huge")
    member.size = 2**40
    (tmp_path / "set").write_bytes(member.tobuf() + bytes(1024))
    with pytest.raises(DataError, match="larger than a data set"):
        list(read_files(tmp_path / "set"))


def test_an_archive_is_identified_by_its_bytes(tmp_path):
    one, same = (write_tar(tmp_path / name, FILES, "w") for name in ("one", "same"))
    other = write_tar(tmp_path / "other", {**FILES, "train/cat/0.png": b""}, "w")
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_a_folder_is_identified_by_names_and_bytes_wherever_it_lies(tmp_path):
    changes = {"one": {}, "same": {}, "renamed": {"train/cat/9.png": b""}, "changed": {"train/cat/0.png": b""}}
    folders = {name: write_folder(tmp_path / name, {**FILES, **change}) for name, change in changes.items()}
    found = {name: fingerprint(folder) for name, folder in folders.items()}
    assert found["one"] == found["same"]
    assert len(set(found.values())) == 3
