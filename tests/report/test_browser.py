"""The report of committed results in a real browser: its pictures, links and widths, and the filter of its claims."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from rethinking.core.files import read_json
from rethinking.paper.verdicts import is_of_imagenet
from tests.conftest import ROOT
from tests.stage_processes import StageProcess

# A Chromium that is a snap sees no temporary folder.
NAMES = ["google-chrome"] + ([] if Path("/snap/bin/chromium").exists() else ["chromium", "chromium-browser"])
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --allow-file-access-from-files"
).split()

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")


def look_at(page, folder):
    """What probe.html finds out about a page; the browser leaves its own files in this folder alone."""
    home = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    probe = (ROOT / "tests/report/probe.html").as_uri()
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"{probe}?{page.as_uri()}"]
    done = subprocess.run(command, env=os.environ | home, capture_output=True, text=True, timeout=120)
    found = re.search("<pre>(.+?)</pre>", done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The report of two machines' results together, made as `make combined` makes it."""
    folder = tmp_path_factory.mktemp("combined")
    references = [ROOT / "reference" / name / "cifar10-jpeg" for name in ("2-core-avx2", "2-core-amx")]
    theory = [path.name for path in (references[0] / "metrics/theory").iterdir()]
    for name, *arguments in (
        ("tools.combine", *references, "--out", folder),
        ("claims", "--metrics", folder / "metrics", "--out", folder / "metrics"),
        ("plot_paper", "--metrics", folder / "metrics", "--out", folder / "plots/paper"),
        *(
            ("plot_theory", "--metrics", folder / "metrics/theory" / data, "--out", folder / "plots/theory" / data)
            for data in theory
        ),
        ("report", "--metrics", folder / "metrics", "--plots", folder / "plots", "--out", folder / "report.html"),
    ):
        stage = StageProcess(name, *arguments, folder=ROOT)
        assert stage.wait(120) == 0, stage.communicate()
    return folder


@pytest.fixture(scope="module")
def seen(folder, tmp_path_factory):
    return look_at(folder / "report.html", tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def claims(folder):
    """The verdicts that the filter is about: those on ImageNet stand in a section of their own."""
    return [each for each in read_json(folder / "metrics/claims.json") if not is_of_imagenet(each)]


def dead_files(seen):
    """The links to files that do not exist, or to anywhere else than files."""
    links = [urlsplit(link) for link in seen["links"]["files"]]
    return [link.geturl() for link in links if link.scheme != "file" or not Path(unquote(link.path)).is_file()]


def test_every_picture_is_there(seen):
    assert seen["images"] > 12
    assert seen["missingImages"] == []


def test_no_link_is_dead(seen):
    assert seen["links"]["fragments"] > 12
    assert seen["links"]["dead"] == []
    assert len(seen["links"]["files"]) > 100
    assert dead_files(seen) == []


def test_nothing_is_wider_than_the_window_or_its_cell(seen):
    assert seen["tooWide"] == {f"{width}px": {"excess": 0, "cells": []} for width in (1100, 800, 420, 320)}


def test_without_scripts_every_claim_is_shown_and_no_filter(seen, claims):
    assert sorted(seen["withoutScripts"]["claims"]) == sorted(claim["id"] for claim in claims)
    assert seen["withoutScripts"]["filter"] is False


def test_the_filter_is_labelled_and_reached_by_keyboard(seen):
    networks = ["Inception", "Inception w/o BatchNorm", "AlexNet", "MLP 3x512", "MLP 1x512", "Wide ResNet 28-1"]
    assert seen["controls"] == [
        {"label": "verdict", "focused": True, "choices": ["all", "reproduced", "differs", "not run"]},
        {"label": "network", "focused": True, "choices": ["all", *networks, "theory", "data"]},
        {"label": "Show all", "focused": True, "choices": []},
    ]


def test_the_filter_shows_the_claims_of_a_verdict_of_a_network_of_both_and_all_again(seen, claims):
    def of(verdict="", arch=""):
        return {
            claim["id"]
            for claim in claims
            if verdict in ("", claim["verdict"])
            and (not arch or any(arch in path.split("/")[:2] and "audits" not in path for path in claim["metric"]))
        }

    expected = [of(), of("differs"), of("", "inception"), of("reproduced", "inception"), of()]
    assert len({len(claims) for claims in expected}) == 4
    for shown, wanted in zip(seen["filtered"], expected, strict=True):
        assert set(shown["claims"]) == wanted
        assert shown["said"] == f"{len(wanted)} of {len(claims)} claims shown"
    assert [len(shown["captions"]) for shown in seen["filtered"]] == [2, 1, 2, 1, 2]
    assert set(seen["narrowFiltered"][0]["claims"]) == of("differs")


def test_the_browser_sees_what_is_broken(folder, tmp_path):
    page = (folder / "report.html").read_text(encoding="utf-8")
    for good, bad in (
        ('src="data:image/', 'src="data:no-image/'),
        ('href="#claims"', 'href="#nowhere"'),
        ('href="metrics/claims.json"', 'href="metrics/nowhere.json"'),
        ("<main>", '<main><p style="width: 450px; max-width: none">'),
        ('<td class="n" data-label="ours">', '<td class="n" data-label="ours">' + "wide" * 10),
        ('autocomplete="off" hidden>', ">"),
        ("claim.hidden = ", "claim.title = "),
        ("<label>network", "<label>"),
    ):
        assert good in page
        page = page.replace(good, bad, 1)
    (folder / "broken.html").write_text(page, encoding="utf-8")
    seen = look_at(folder / "broken.html", tmp_path)
    assert len(seen["missingImages"]) == 1
    assert seen["links"]["dead"] == ["#nowhere"]
    assert [Path(link).name for link in dead_files(seen)] == ["nowhere.json"]
    assert [width for width, found in seen["tooWide"].items() if found["excess"] > 0] == ["420px", "320px"]
    assert [len(found["cells"]) for found in seen["tooWide"].values()] == [0, 1, 1, 1]
    assert seen["withoutScripts"]["filter"] is True
    assert len({len(shown["claims"]) for shown in seen["filtered"]}) == 1
    assert seen["controls"][1]["label"] != "network"
