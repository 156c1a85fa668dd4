"""Drawn figures as data URIs, so that a page needs no other file."""

import base64
from pathlib import Path

# A vector image of more bytes than this is shown as pixels, which keeps the page below 5 MB.
LARGEST_SVG = 300_000


def data_uri(path: Path) -> str:
    """A figure without its extension as a data URI, vectors where they are small; empty where it has not been drawn."""
    svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
    if svg.exists() and svg.stat().st_size <= LARGEST_SVG:
        return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()
    return "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode() if png.exists() else ""
