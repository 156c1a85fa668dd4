"""Official files come from a real server here: whole and verified, or not at all."""

import hashlib
import resource
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from torchvision.datasets import CIFAR10, MNIST

from rethinking.core.errors import NO_ROOM, DataError
from rethinking.sources import cifar10, mnist
from rethinking.sources.common.official import download

WHOLE = b"whole" * 1000
MD5 = hashlib.md5(WHOLE).hexdigest()


def test_a_download_shows_its_progress_and_is_kept(web, tmp_path, capfd):
    folder, address = web
    (folder / "a.tar").write_bytes(WHOLE)
    path = download([f"{address}/a.tar"], "a.tar", MD5, tmp_path)
    assert path == tmp_path / "a.tar"
    assert path.read_bytes() == WHOLE
    assert "100%" in capfd.readouterr().err
    (folder / "a.tar").unlink()
    assert download([f"{address}/a.tar"], "a.tar", MD5, tmp_path) == path, "a verified file needs no network"


@pytest.mark.parametrize("broken", [WHOLE[:-1], b"", b"other" * 1000, None])
def test_a_broken_download_is_removed_and_the_next_address_asked(web, tmp_path, broken):
    folder, address = web
    if broken is not None:
        (folder / "broken").write_bytes(broken)
    with pytest.raises(DataError, match=rf"dataset\.source: cannot download {address}/broken"):
        download([f"{address}/broken", f"{address}/absent"], "a.tar", MD5, tmp_path)
    assert not list(tmp_path.iterdir())
    (folder / "good").write_bytes(WHOLE)
    assert download([f"{address}/broken", f"{address}/good"], "a.tar", MD5, tmp_path).read_bytes() == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


class SpeaksNoHTTP(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1024)
        self.request.sendall(b"no HTTP\n")


def test_a_server_that_speaks_no_http_is_a_failed_download(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    with socketserver.TCPServer(("127.0.0.1", 0), SpeaksNoHTTP) as server:
        threading.Thread(target=server.serve_forever).start()
        with pytest.raises(DataError, match="cannot download http"):
            download([f"http://127.0.0.1:{server.server_address[1]}/a.tar"], "a.tar", MD5, tmp_path)
        server.shutdown()


def test_a_failed_download_leaves_what_another_process_is_fetching(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            (tmp_path / "a.tar").write_bytes(WHOLE[:-1])
            self.send_error(503)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever).start()
        with pytest.raises(DataError, match="cannot download http"):
            download([f"http://127.0.0.1:{server.server_port}/a.tar"], "a.tar", MD5, tmp_path)
        server.shutdown()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.tar", WHOLE[:-1])]


def test_a_full_disk_is_no_missing_network(web, tmp_path):
    folder, address = web
    (folder / "a.tar").write_bytes(WHOLE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(WHOLE) // 2, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            download([f"{address}/a.tar"], "a.tar", MD5, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno in NO_ROOM
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        download([f"{address}/a.tar"], "a.tar", MD5, tmp_path / "file/downloads")


def test_a_damaged_file_in_the_downloads_is_fetched_again(web, tmp_path):
    folder, address = web
    (folder / "a.tar").write_bytes(WHOLE)
    (tmp_path / "a.tar").write_bytes(WHOLE[:10])
    assert download([f"{address}/a.tar"], "a.tar", MD5, tmp_path).read_bytes() == WHOLE


@pytest.mark.parametrize(("source", "archive"), [(cifar10, "cifar-10-python.tar.gz"), (mnist, "train-images-idx3")])
def test_without_a_network_the_error_says_what_to_do(monkeypatch, tmp_path, source, archive):
    nowhere = "http://127.0.0.1:1/"
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(CIFAR10, "url", nowhere + CIFAR10.filename)
    monkeypatch.setattr(MNIST, "mirrors", [nowhere, nowhere])
    with pytest.raises(DataError) as caught:
        source.read("official", tmp_path / "downloads")
    message = str(caught.value)
    assert message.startswith(f"dataset.source: cannot download {nowhere}")
    assert archive in message
    assert "make demo" in message
    assert "\n" not in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
