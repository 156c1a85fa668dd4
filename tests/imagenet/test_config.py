"""Wrong parameters of the ImageNet part are refused in a sentence."""

from copy import deepcopy
from pathlib import Path

import pytest

from rethinking.core.errors import UsageError
from rethinking.core.files import read_yaml
from rethinking.core.run_name import RunName
from rethinking.imagenet.config import load
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
        ({"train__processes": 0}, "train.processes"),
        ({"train__workers": -1}, "train.workers: found -1"),
        ({"train__device": "mps"}, "train.device: found 'mps'; expected 'auto', 'cuda' or 'cpu'"),
        ({"train__lr": "high"}, "train.lr: found 'high'"),
        ({"train__epoch": 3}, "train.epoch: unknown key (did you mean 'epochs'?)"),
        ({"rows__plain__corruption": "gaussian"}, "allowed: none, or labels-0.5"),
        ({"rows__plain__corruption": "labels-1.5"}, "allowed: none, or labels-0.5"),
        (
            {"rows__plain__corruption": "labels-1"},
            "'labels-1' has no level that is written as in labels-0.5 or labels-1.0",
        ),
        ({"rows__plain__variant": "dropuot"}, "allowed: plain, or joined by + augmentation, dropout, weight_decay"),
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


def test_the_result_of_a_run_depends_on_every_parameter_but_those_of_speed_and_sight(tmp_path):
    recipe = load(ROOT / "imagenet/params.yaml", ROOT / "imagenet/imagenet.yaml").recipe("true_all")
    absent = set(read_yaml(ROOT / "imagenet/params.yaml")["train"]) - set(recipe)
    assert absent == {"device", "processes", "workers", "checkpoint_every", "live", "mirror"}
