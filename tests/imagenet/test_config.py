"""Wrong parameters of the ImageNet part are refused in a sentence."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from rethinking.core.errors import UsageError
from rethinking.core.files import read_yaml
from rethinking.core.run_name import RunName
from rethinking.imagenet.common.config import Execution, load
from rethinking.imagenet.training import processes
from rethinking.paper.names import variant_name
from tests.conftest import set_keys
from tests.imagenet.image_sets import ROWS, TRAIN
from tests.stage_processes import ROOT
from tests.yaml_text import as_yaml

SETS = sorted(path for path in (ROOT / "imagenet").glob("*.yaml") if path.name not in ("params.yaml", "dvc.yaml"))


def parameters(folder: Path, **changes: object) -> Path:
    document = deepcopy({"dataset": {"source": "images"}, "train": TRAIN, "rows": ROWS})
    set_keys(document, {key.replace("__", "."): value for key, value in changes.items()})
    (folder / "params.yaml").write_text(as_yaml(document))
    return folder / "params.yaml"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train__batch_size": 9}, "batch_size is 9, which is no multiple of group_size, 2"),
        ({"train__input_size": 64}, "train.input_size: found 64; expected greater than or equal to 75"),
        ({"train__group_size": 1}, "train.group_size: found 1"),
        ({"execution__processes": 0}, "execution.processes"),
        ({"execution__workers": -1}, "execution.workers: found -1"),
        ({"execution__device": "mps"}, "execution.device: found 'mps'; expected 'auto', 'cuda' or 'cpu'"),
        ({"train__lr": "high"}, "train.lr: found 'high'"),
        ({"train__epoch": 3}, "train.epoch: unknown key (did you mean 'epochs'?)"),
        ({"rows__plain__corruption": "gaussian"}, "allowed: none, or labels-0.5"),
        ({"rows__plain__corruption": "labels-1.5"}, "allowed: none, or labels-0.5"),
        (
            {"rows__plain__corruption": "labels-1"},
            "'labels-1' has no level between 0 and 1 that is written as in labels-0.5 or labels-1.0",
        ),
        (
            {"rows__plain__corruption": "labels-0.5"},
            "rows.plain.corruption: found 'labels-0.5'; add it to corruptions too",
        ),
        ({"corruptions": ["none", "gaussian"]}, "corruptions.1: found 'gaussian'; allowed: none, or labels-0.5"),
        ({"rows__more": ROWS["plain"]}, "rows.more: has the corruption and the variant of rows.plain"),
        ({"rows__plain__variant": "dropuot"}, "allowed: plain, or joined by + augmentation, dropout, weight_decay"),
        ({"rows__plain__variant": "dropout+dropout"}, "which has a regulariser twice"),
        ({"rows": {}}, "rows"),
        ({"dataset__source": ""}, "dataset.source: found ''"),
    ],
)
def test_a_wrong_parameter_is_one_sentence_with_what_is_allowed(tmp_path, changes, words):
    with pytest.raises(UsageError) as error:
        load(parameters(tmp_path, **changes))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_row_that_there_is_not_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UsageError, match="there is no row 'none'; allowed: all, plain"):
        load(parameters(tmp_path)).row("none")


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_the_projects_own_parameters_are_valid_and_their_runs_have_names_of_their_own(path):
    parameters = load(ROOT / "imagenet/params.yaml", path)
    assert len(parameters.rows) == 7
    names = {parameters.run(row) for row in parameters.rows}
    assert len(names) == 7
    assert all(RunName.parse(name.text) == name for name in names)
    assert len({variant_name(name.variant or "", name.arch) for name in names}) == 5


def test_the_result_of_a_run_depends_on_the_whole_section_train_and_not_on_how_it_runs(tmp_path):
    recipe = load(ROOT / "imagenet/params.yaml", ROOT / "imagenet/imagenet.yaml").recipe("true_all")
    assert set(recipe) == {"row", *read_yaml(ROOT / "imagenet/params.yaml")["train"]}
    changed = load(parameters(tmp_path, execution__workers=3, execution__device="cpu")).recipe("all")
    assert changed == load(parameters(tmp_path)).recipe("all")


@pytest.mark.parametrize("section", ["corrupt: {seed: 7}", "rows: {plain: {corruption: none, variant: plain}}"])
def test_the_file_of_a_data_set_holds_only_what_the_stages_read_there(tmp_path, section):
    (tmp_path / "set.yaml").write_text(section)
    with pytest.raises(UsageError, match="set.yaml may hold dataset, train, execution, resources"):
        load(parameters(tmp_path), tmp_path / "set.yaml")


@pytest.mark.parametrize(
    ("execution", "gpus", "groups", "expected"),
    [
        ({}, 0, 8, 1),
        ({}, 8, 8, 8),
        ({}, 8, 2, 2),  # the set of digits on a machine with eight GPUs
        ({}, 4, 3, 3),
        ({"device": "cpu"}, 8, 8, 1),
        ({"device": "cpu", "processes": 2}, 1, 8, 2),
        ({"processes": 2}, 0, 8, 2),
        ({"processes": 2}, 1, 8, "found 2, but this machine has 1 GPUs"),
        ({"device": "cuda", "processes": 1}, 0, 8, "found 1, but this machine has 0 GPUs"),
    ],
)
def test_there_are_as_many_processes_as_gpus_as_far_as_they_can_share_the_groups(
    monkeypatch, execution, gpus, groups, expected
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if isinstance(expected, int):
        assert processes.count(Execution(**execution), groups) == expected
    else:
        with pytest.raises(UsageError, match=expected):
            processes.count(Execution(**execution), groups)
