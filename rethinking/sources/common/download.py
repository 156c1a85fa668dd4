"""Official archives by torchvision's own download, which shows progress and checks the MD5."""

from pathlib import Path

from rethinking.core.errors import DataError


def download(urls: list[str], filename: str, md5: str, downloads: Path) -> Path:
    """Return the verified archive in the downloads folder, fetching it where it is absent or broken.

    Raises DataError, with what to do, where no address answers or the bytes are wrong.
    """
    from torchvision.datasets.utils import check_integrity, download_url

    path = downloads / filename
    problem: Exception | None = None
    for url in urls:
        try:
            download_url(url, str(downloads), filename, md5)
            return path
        except (OSError, RuntimeError, EOFError) as error:
            problem = error
        finally:
            if path.exists() and not check_integrity(str(path), md5):
                path.unlink()
    raise DataError(
        f"dataset.source: cannot download {urls[0]} ({problem}); with no network, set dataset.source to a local copy "
        f"of {filename}, or run `make demo`, which needs no download"
    )
