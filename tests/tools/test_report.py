"""The report of what has run so far: its collectors run without DVC, which would run the rest first."""

import sys

from tests.pipeline_helpers import copy_of_project, errors


def test_nothing_has_run_yet_and_a_pipeline_that_dvc_cannot_read_is_one_sentence(tmp_path):
    copy = copy_of_project(tmp_path, ["paper"])
    report = (sys.executable, "-m", "tools.report", "--small")
    said = copy.run(*report)
    assert "0 reproduced, 0 differs, 42 not run." in said
    assert (copy.folder / "report-small.html").exists()
    assert not list(copy.folder.glob("runs/small/*"))

    path = copy.folder / "params.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("  labels: ")), encoding="utf-8")
    said = copy.run(*report, succeeds=False)
    assert "Traceback" not in said
    (sentence,) = errors(said)
    assert "corrupt.labels" in sentence
