"""The check of a GPU, tried on the CPU: what it prints, and that it fails where the device does wrong."""

import re

import pytest
import torch

from benchmarks import loops
from rethinking.core.errors import DataError
from tests.stage_processes import ROOT, StageProcess
from tests.training.problems import RefusingStep
from tools import gpu_check

MLP = "mlp_1x512"


@pytest.fixture(autouse=True)
def settings_of_torch():
    """What the selection of a device sets for the whole process is undone."""
    mode = torch.get_deterministic_debug_mode()
    yield
    torch.set_deterministic_debug_mode(mode)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so_in_a_sentence(failure):
    code, message = failure("tools.gpu_check")
    assert code == 2
    assert "sees no CUDA device here" in message


def test_every_check_has_a_line_with_its_verdict():
    done = StageProcess("tools.gpu_check", "--device", "cpu", "--archs", MLP, folder=ROOT)
    code = done.wait(120)
    printed, errors = done.communicate()
    assert code == 0, errors
    first, *lines = printed.splitlines()
    assert f"torch {torch.__version__}" in first
    assert [re.match(r"(ok|FAILED|skipped) +([^:]+): .", line).groups() for line in lines] == [
        ("ok", "agreement with the CPU"),
        ("ok", "the demo's runs"),
        ("ok", f"rate of {MLP}"),
        ("skipped", "step as one CUDA graph"),
        ("skipped", "tests of the GPU"),
    ]


def test_a_device_that_refuses_to_capture_is_named_and_trains_all_the_same(monkeypatch, capsys):
    monkeypatch.setattr(loops, "TrainingStep", RefusingStep)
    steps = {}
    assert "images/s" in gpu_check.rate(MLP, "cpu", steps)
    assert capsys.readouterr().err.count("it runs eagerly, with the same results") == 1
    with pytest.raises(DataError, match=rf"cannot be captured as a CUDA graph \(no graphs here\); .* {MLP} in float32"):
        gpu_check.captured("cpu", steps)


def test_losses_that_rounding_does_not_explain_fail():
    near = {MLP: ([2.3, 2.1], [2.3001, 2.12]), "alexnet": ([2.3, 2.1], [2.3, 2.1])}
    assert f"{MLP} 0.004%, 0.952%" in gpu_check.within_rounding(near)
    for losses in ([2.31, 2.1], [2.3, 2.2], [2.3, float("nan")]):
        with pytest.raises(DataError, match="alexnet"):
            gpu_check.within_rounding(near | {"alexnet": ([2.3, 2.1], losses)})


def test_a_check_that_fails_does_not_end_the_others(capsys):
    def broken():
        raise RuntimeError("no kernel\nimage is available")

    assert not gpu_check.judged("first", broken)
    assert gpu_check.judged("second", lambda: "fine")
    assert capsys.readouterr().out == "FAILED  first: no kernel image is available\nok      second: fine\n"


def test_one_failed_check_is_an_exit_code(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu_check", "--device", "cpu", "--archs", MLP])
    monkeypatch.setattr(gpu_check, "checks", lambda *_: iter([("a", lambda: "fine"), ("b", lambda: 1 / 0)]))
    with pytest.raises(DataError, match="1 of 2 checks failed"):
        gpu_check.main()
    assert "FAILED  b: division by zero" in capsys.readouterr().out
