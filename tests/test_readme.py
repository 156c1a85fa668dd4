"""What the README says was measured is what the committed results say."""

import re

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_results_is_that_of_the_claims(run_stage):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    references = re.search(r"^REFERENCES \?= (.+)$", makefile, re.MULTILINE)[1].split()
    assert run_stage("tools.combine", *(ROOT / folder for folder in references), "--out", "combined").returncode == 0
    done = run_stage("claims", "--claims", ROOT / "paper/claims.yaml", "--metrics", "combined/metrics")
    measured = [line for line in done.stdout.splitlines() if line.startswith("|") and "not run" not in line]
    assert len(measured) > 10
    assert "\n".join(measured) in README
    reproduced, differing, not_run = re.search(r"(\d+) reproduced, (\d+) differs, (\d+) not run", done.stdout).groups()
    claims = int(reproduced) + int(differing) + int(not_run)
    words = f"Of {claims} claims, {reproduced} are reproduced, {differing} differ and {not_run} have not run."
    assert words in " ".join(README.split())


def test_the_reference_holds_the_verdicts_that_its_metrics_give(run_stage):
    for folder in sorted((ROOT / "reference").rglob("claims.json")):
        done = run_stage("claims", "--claims", ROOT / "paper/claims.yaml", "--metrics", folder.parent)
        assert done.stdout == folder.with_suffix(".md").read_text(encoding="utf-8")


def test_every_file_that_the_readme_links_to_is_there():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
