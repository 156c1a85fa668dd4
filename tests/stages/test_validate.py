"""What `validate` finds before anything is computed: networks that cannot be trained, images too small, mirrors."""

import sys
from pathlib import Path

import pytest

from rethinking.core import config
from rethinking.core.errors import DataError, UsageError
from rethinking.sources.common.archives import read_files
from rethinking.training.problem import network
from stages import validate
from tests.synthetic import lit_data


@pytest.fixture
def run_validate(monkeypatch, tmp_path, write_parameters):
    """Run the stage on changed parameters."""

    def run(changes):
        arguments = ["--params", str(write_parameters(changes)), "--out", str(tmp_path / "valid.txt")]
        monkeypatch.setattr(sys, "argv", ["validate", *arguments])
        validate.main()
        return (tmp_path / "valid.txt").exists()

    return run


RESNET = {"train.archs": ["mlp_1x512", "timm/resnet18"], "archs.timm/resnet18": {"lr": 0.05, "input_size": 32}}
NORMALISES = "timm/resnet18 normalises over each batch"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.batch_size": 1}, rf"train\.batch_size: found 1, but {NORMALISES}"),
        (
            {"train.batch_size": 20, "dataset.train_size": 61},
            rf"train\.batch_size: found 20, which leaves a last batch of 1 image, but {NORMALISES}",
        ),
        ({"train.batch_size": 8}, "train.batch_size: found 8, which leaves"),  # of the 1,497 digits
        ({"dataset.name": "imagefolder", "train.batch_size": 1}, "train.batch_size: found 1, but"),
        ({"dataset.name": "mnist"}, "archs.timm/resnet18.input_size: found 32, but the images of mnist are only 28"),
    ],
)
def test_a_fault_of_a_network_of_timm_is_found_by_validate(run_validate, changes, said):
    assert run_validate(RESNET)
    with pytest.raises(UsageError, match=f"^{said}"):
        run_validate({**RESNET, **changes})


@pytest.mark.parametrize("arch", ["inception_v3", "torchvision/inception_v3", "timm/inception_v3"])
def test_images_too_small_for_inception_v3_are_found_by_validate(run_validate, arch):
    def of_size(side):
        recipe = {"lr": 0.01, "input_size": side}
        return {"dataset": {"name": "imagefolder", "source": "set"}, "train.archs": [arch], f"archs.{arch}": recipe}

    assert run_validate(of_size(75))
    with pytest.raises(UsageError, match=rf"^archs\.{arch}(\.input_size)?: .*74"):
        run_validate(of_size(74))


def test_grey_images_for_torchvision_are_found_by_validate(run_validate):
    arch = "torchvision/inception_v3"
    changes = {"dataset.name": "mnist", "train.archs": [arch], f"archs.{arch}": {"lr": 0.01, "input_size": 28}}
    with pytest.raises(
        UsageError, match=r"^train\.archs: torchvision/inception_v3 takes images of 3 channels, found 1"
    ):
        run_validate(changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"train.batch_size": 61, "dataset.train_size": 61},
        {"train.batch_size": 20, "dataset.train_size": 62},
        {"dataset.name": "imagefolder", "train.batch_size": 8},
        {"dataset.name": "mnist", "archs.timm/resnet18": {"lr": 0.05, "input_size": 28}},
        {"dataset.name": "mnist", "archs.timm/resnet18": {"lr": 0.05}},
        {"train.archs": ["mlp_1x512", "alexnet"], "train.batch_size": 1},
    ],
)
def test_parameters_with_which_all_networks_can_be_trained_are_valid(run_validate, changes):
    assert run_validate({**RESNET, **changes})


@pytest.fixture
def work_in_temporary_copy(tmp_path, monkeypatch):
    """Go into a copy as `dvc exp run --temp` makes one, without files; return the folder it was copied from."""

    def work(name="project"):
        copy = tmp_path / name / ".dvc/tmp/exps/standalone/tmp1"
        copy.mkdir(parents=True)
        monkeypatch.chdir(copy)
        return tmp_path / name

    return work


@pytest.mark.parametrize(
    ("key", "package"), [("train.archs", "models"), ("corrupt.kind", "corruptions"), ("dataset.name", "sources")]
)
def test_a_new_file_that_git_does_not_track_is_named_in_a_temporary_copy(
    run_validate, work_in_temporary_copy, key, package
):
    file = work_in_temporary_copy() / f"rethinking/{package}/mine.py"
    changes = {key: ["mine"] if key == "train.archs" else "mine", "archs.mine": {"lr": 0.01}}
    with pytest.raises(UsageError, match=rf"^{key}: unknown name 'mine'.* or add rethinking/{package}/mine\.py$"):
        run_validate(changes)
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(UsageError, match=rf"^{key}: found 'mine'.* run `git add rethinking/{package}/mine\.py`$"):
        run_validate(changes)


def test_a_relative_source_is_named_in_a_temporary_copy(work_in_temporary_copy):
    project = work_in_temporary_copy()
    with pytest.raises(DataError, match="^dataset.source: no such file"):
        list(read_files(Path("set")))
    (project / "set").mkdir()
    with pytest.raises(DataError, match=f"^dataset.source: found 'set'.* give the absolute path '{project}/set'$"):
        list(read_files(Path("set")))


@pytest.mark.parametrize("name", ["project", "100% pure", "a b"])
def test_a_temporary_copy_of_a_whole_clone_is_valid(run_validate, work_in_temporary_copy, name):
    work_in_temporary_copy(name)
    assert run_validate({})


def test_a_temporary_copy_whose_results_dvc_would_lose_is_found_by_validate(
    run_validate, work_in_temporary_copy, monkeypatch
):
    clone = work_in_temporary_copy()
    (clone / ".git").mkdir()
    (clone / ".git/shallow").touch()
    with pytest.raises(DataError, match="would lose the results.* shallow; run `git fetch --unshallow`$"):
        run_validate({})
    monkeypatch.chdir(clone)
    assert run_validate({}), "only --temp and --queue lose them"
    work_in_temporary_copy("a%20b")
    with pytest.raises(DataError, match="would lose the results.*a%20b.* rename it$"):
        run_validate({})


@pytest.mark.parametrize("images", [41, 1])
def test_a_last_batch_of_one_image_is_found_when_the_data_set_is_known(write_parameters, images):
    changes = {**RESNET, "dataset": {"name": "imagefolder", "source": "set"}, "train.batch_size": 20}
    parameters = config.load(write_parameters(changes))
    with pytest.raises(UsageError, match="^train.batch_size: found 20, which leaves a last batch of 1 image"):
        network(parameters, "timm/resnet18", lit_data(images, 10))
    assert network(parameters, "timm/resnet18", lit_data(images + 1, 10))
    assert network(parameters, "mlp_1x512", lit_data(images, 10))


@pytest.mark.parametrize("labels", ["absent.npy", "https://example.org/human.npy", "folder.csv"])
def test_given_labels_that_are_not_there_are_found_by_validate(run_validate, tmp_path, monkeypatch, labels):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "human.csv").touch()
    assert run_validate({"corrupt.kind": "given", "corrupt.labels": "human.csv"})
    with pytest.raises(UsageError, match=rf"^corrupt\.labels: no such file '{labels}'; expected a local one"):
        run_validate({"corrupt.kind": "given", "corrupt.labels": labels})


@pytest.mark.parametrize("mirror", ["wandb", "tensorboard"])
def test_a_mirror_whose_package_is_absent_is_found_by_validate(run_validate, monkeypatch, mirror):
    monkeypatch.setitem(sys.modules, mirror, None)
    with pytest.raises(UsageError, match=rf"^train\.mirror: '{mirror}' is not installed.*requirements-{mirror}.txt"):
        run_validate({"train.mirror": mirror})


def test_wandb_without_a_key_is_found_by_validate(run_stage, failure, write_parameters, tmp_path):
    pytest.importorskip("wandb")
    home = {"PATH": "", "HOME": str(tmp_path)}
    arguments = ("--params", write_parameters({"train.mirror": "wandb"}), "--out", "valid.txt")
    code, message = failure("validate", *arguments, environment=home)
    assert code == 2
    assert all(word in message for word in ("train.mirror", "wandb login", "WANDB_MODE=offline", "or set none"))
    assert run_stage("validate", *arguments, environment={**home, "WANDB_MODE": "offline"}).returncode == 0
