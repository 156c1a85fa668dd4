"""The pipelines as DVC sees them: everything that changes a result is declared, and only what changed runs again."""

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from rethinking.core import config, registry
from rethinking.core.files import read_yaml, sha256
from rethinking.core.state import checksum
from rethinking.core.tables import read_table
from rethinking.theory.common import config as config_theory
from rethinking.training.recipe import description
from tests.pipeline_helpers import (
    ROOT,
    Copy,
    ResolvedStage,
    copy_of_project,
    errors,
    holds_only_a_docstring,
    leaves,
    modules_by_name,
    progress,
    resolved_stages,
    source_files,
    stage_process,
    stages_run,
    wait_until,
)
from tests.stage_processes import StageProcess

PARAMS = ["params.yaml", "demo/params.yaml"]
THEORY = ["theory/digits.yaml", "theory/mnist.yaml", "theory/cifar10.yaml"]
# Parameters of the train section that decide which runs there are, or how one is followed; not what comes out of it.
NOT_RESULTS = {"archs", "checkpoint_every", "cuda_graph", "live", "mirror"}

MLP = "mlp_1x512"
TRAININGS = ["train@alexnet", f"train@{MLP}"]
MLP_EPOCHS = 40  # a second or two: long enough to be stopped while it trains
SMALL = {
    "dataset.name": "digits",
    "dataset.train_size": 60,
    "dataset.test_size": 30,
    "train.archs": ["alexnet", MLP],
    "train.epochs": 2,
    "train.batch_size": 20,
    "train.device": "cpu",
    "train.stop_when_fitted": None,
    "train.live": False,
    f"archs.{MLP}.epochs": MLP_EPOCHS,
}


# --- What is declared


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the copies lie; as they are large, they go when the tests end."""
    folder = tmp_path_factory.mktemp("pipeline")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def project(folder: Path) -> Copy:
    """The working tree as it is."""
    return copy_of_project(folder / "project")


@pytest.fixture(scope="module")
def project_stages(project: Copy) -> list[ResolvedStage]:
    """Every stage of the working tree as it is."""
    return resolved_stages(project)


CORRUPTIONS = registry.names("corruptions")
DATASETS = registry.names("sources")
VARIANTS = [(name, CORRUPTIONS[i % len(CORRUPTIONS)]) for i, name in enumerate(DATASETS)]
VARIANTS += [(DATASETS[0], kind) for kind in CORRUPTIONS[len(DATASETS) :]]


@pytest.fixture(scope="module", params=VARIANTS, ids="-".join)
def resolved(request: pytest.FixtureRequest, project: Copy, folder: Path) -> list[tuple[ResolvedStage, dict[str, Any]]]:
    """Every stage of every pipeline, with its parameters, where every architecture and corruption is asked for."""
    dataset, kind = request.param
    copy = project.duplicate(folder / f"{dataset}-{kind}")
    if request.param != VARIANTS[0]:
        for pipeline in ("imagenet", "paper", "theory"):  # their stages do not depend on these parameters
            shutil.rmtree(copy.folder / pipeline)
    common = {"dataset.name": dataset, "train.archs": registry.names("models")}
    copy.change_params({**common, "corrupt.kind": kind})
    copy.change_params({**common, "grid.corruptions": [*CORRUPTIONS, "labels-0.5"]}, "demo/params.yaml")
    stages = resolved_stages(copy)
    return [(stage, parameters_of(stage, copy)) for stage in stages]


def parameters_of(stage: ResolvedStage, copy: Copy) -> dict[str, Any]:
    """What the stage reads of its parameter files."""
    whole: dict[str, Any] = {}
    for name in stage.parameter_files:
        if (copy.folder / name).exists():  # `validate` names them in a loop
            for section, values in read_yaml(copy.folder / name).items():
                whole[section] = {**whole.get(section, {}), **values} if isinstance(values, dict) else values
    return whole


def test_both_pipelines_have_a_stage_for_every_architecture(resolved: list) -> None:
    found = {(stage.pipeline, stage.option("--arch")) for stage, _ in resolved if stage.entry == "stages.train"}
    expected = {(path, arch) for path in ("dvc.yaml", "demo/dvc.yaml") for arch in registry.names("models")}
    assert {(path, arch) for path, arch in found if path in ("dvc.yaml", "demo/dvc.yaml")} == expected


def test_the_papers_pipeline_has_a_stage_for_every_run_of_its_grid(project_stages: list[ResolvedStage]) -> None:
    stages = project_stages
    outs = {stage.option("--out") for stage in stages if stage.entry == "stages.train"}
    for dataset in ("cifar10", "cifar100", "mnist"):
        files = [ROOT / name for name in (PARAMS[0], "paper/params.yaml", f"paper/{dataset}.yaml")]
        planned = {f"runs/{dataset}/{run.text}" for run in config.load(*files).planned_runs()}
        assert planned
        assert {out for out in outs if out and out.startswith(f"runs/{dataset}/")} == planned


def test_every_file_that_a_stage_imports_or_loads_by_name_is_a_declared_dependency(resolved: list) -> None:
    missing = {
        (stage.pipeline, stage.name, file)
        for stage, params in resolved
        for file in source_files(stage.entry, *modules_by_name(stage, params))
        if not stage.declares(file) and not holds_only_a_docstring(file)
    }
    assert not missing


def test_every_declared_source_file_exists(resolved: list) -> None:
    declared = {dep for stage, _ in resolved for dep in stage.deps if dep.startswith(("stages", "rethinking"))}
    assert declared
    assert not {dep for dep in declared if not (ROOT / dep).exists()}


CODE = ("stages/", "rethinking/", "paper/claims.yaml")


def test_the_dependencies_of_a_stage_can_be_read_at_a_glance(project_stages: list[ResolvedStage]) -> None:
    assert max(sum(dep.startswith(CODE) for dep in stage.deps) for stage in project_stages) <= 8
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("**/dvc.yaml")]
    assert sum(line.strip().removeprefix("- ").startswith(CODE) for text in texts for line in text.splitlines()) <= 160


def test_no_training_stage_depends_on_the_file_of_another_architecture(resolved: list) -> None:
    trainings = [stage for stage, _ in resolved if stage.entry == "stages.train"]
    assert trainings
    for stage in trainings:
        files = {f"rethinking/models/{arch}.py" for arch in registry.names("models")}
        assert {file for file in files if stage.declares(file)} == {f"rethinking/models/{stage.option('--arch')}.py"}


def test_git_ignores_every_output_that_dvc_caches(project_stages: list[ResolvedStage], project: Copy) -> None:
    cached = {out for stage in project_stages for out in stage.cached}
    assert {out.split("/")[0] for out in cached} == {"data", "runs", "report.html"}
    assert set(project.git("check-ignore", *cached).splitlines()) == cached


def test_dvc_add_keeps_data_of_ones_own_beside_what_the_stages_write(project: Copy, folder: Path) -> None:
    copy = project.duplicate(folder / "own_data")
    (copy.folder / "data/mine").mkdir()
    (copy.folder / "data/mine/labels.csv").write_text("1\n")
    copy.dvc("add", "data/mine")
    assert set(copy.git("ls-files", "data").splitlines()) == {"data/.gitignore", "data/README.md", "data/mine.dvc"}


def test_a_clone_where_git_writes_crlf_has_the_same_bytes(project: Copy, folder: Path) -> None:
    project.git("clone", "--quiet", "--config", "core.autocrlf=true", str(project.folder), str(folder / "crlf"))
    clone = Copy(folder / "crlf")
    assert clone.git("status", "--porcelain") == ""
    names = clone.git("ls-files").splitlines()
    assert [name for name in names if sha256(clone.folder / name) != sha256(project.folder / name)] == []


def test_every_declared_parameter_is_in_its_file(resolved: list) -> None:
    for stage, params in resolved:
        for file, keys in stage.params.items():
            assert file in stage.parameter_files or stage.entry == "stages.validate", stage.name
            for key in keys:
                if key.startswith("archs.") and stage.pipeline == "demo/dvc.yaml":
                    continue  # the demo has recipes for its own architectures only
                value: Any = params
                for part in key.split("."):
                    assert part in value, f"{stage.name} declares {key}"
                    value = value[part]


def test_every_parameter_that_changes_a_result_is_declared_by_the_stage_that_reads_it(resolved: list) -> None:
    for stage, _ in resolved:
        declared = {key for keys in stage.params.values() for key in keys}
        paper = stage.pipeline == "paper/dvc.yaml"
        if stage.entry == "stages.fetch":
            declared |= {"dataset.name"} if paper else set()  # in the file of that data set, which is declared whole
            assert declared == {f"dataset.{key}" for key in config.Dataset.model_fields} - {"dataset.input_size"}
        if stage.entry == "stages.corrupt":
            ours = {"corrupt.seed", "corrupt.test_labels"} if paper else {"corrupt"}
            assert declared == {*ours, "dataset.input_size"}
        if stage.entry == "stages.train":
            train = {key.removeprefix("train.") for key in declared if key.startswith("train.")}
            given = {"seed"} if stage.option("--seed") else set()
            assert train | NOT_RESULTS | given == set(config.Train.model_fields)
            assert not train & given
            assert not train & NOT_RESULTS
            own = {f"archs.{stage.option('--arch')}", "dataset.input_size"}
            # A run of the paper's grid says its regularisers in its variant.
            expected = own if stage.option("--variant") else {*own, "regularizers"}
            assert declared - {f"train.{key}" for key in train} == expected
        if stage.entry in ("stages.expressivity", "stages.minimum_norm"):
            assert f"theory.{stage.entry.removeprefix('stages.')}" in declared
            assert "theory.seed" in declared
        if stage.entry == "stages.kernel":
            assert declared == {"theory.seed", "theory.device", f"theory.kernel.{stage.option('--name')}"}


def test_what_the_grids_own_files_replace_is_declared_by_its_trainings(project_stages: list[ResolvedStage]) -> None:
    trainings = [each for each in project_stages if each.entry == "stages.train" and each.pipeline == "paper/dvc.yaml"]
    assert trainings
    replaced = {key for key in config.OVERLAID if key.startswith("train.")} - {f"train.{key}" for key in NOT_RESULTS}
    assert all(set(stage.params["paper/params.yaml"]) == replaced for stage in trainings)
    fetches = [each for each in project_stages if each.entry == "stages.fetch" and each.pipeline == "paper/dvc.yaml"]
    assert all(stage.params[stage.parameter_files[-1]] == [] for stage in fetches), "declared whole"


@pytest.mark.parametrize("name", THEORY)
def test_the_theory_pipeline_has_a_stage_for_every_kernel_of_a_parameter_file(
    name: str, project_stages: list[ResolvedStage]
) -> None:
    stages = [stage for stage in project_stages if stage.option("--params") == name]
    found = {stage.option("--name") for stage in stages if stage.entry == "stages.kernel"}
    assert found == set(config_theory.load_theory(ROOT / name).kernel)


@pytest.mark.parametrize("name", PARAMS)
def test_a_parameter_file_states_every_key_of_its_train_section(name: str) -> None:
    assert set(read_yaml(ROOT / name)["train"]) == set(config.Train.model_fields)


@pytest.mark.parametrize("name", PARAMS + THEORY)
def test_the_sections_of_a_parameter_file_hold_no_parameter_that_no_stage_reads(
    name: str, project_stages: list[ResolvedStage]
) -> None:
    pipeline = str(Path(name).with_name("dvc.yaml"))
    stages = [stage for stage in project_stages if stage.pipeline == pipeline]
    declared = {key for stage in stages for key in stage.params.get(name, [])}
    declared |= {"resources", *(f"train.{key}" for key in NOT_RESULTS)}
    asked_for = read_yaml(ROOT / name)
    idle_recipes = {f"archs.{arch}" for arch in asked_for.get("archs", ()) if arch not in asked_for["train"]["archs"]}
    covered = tuple(f"{key}." for key in declared | idle_recipes)
    assert not {leaf for leaf in leaves(asked_for) if not f"{leaf}.".startswith(covered)}


@pytest.mark.parametrize(
    ("key", "value"),
    [("checkpoint_every", 7), ("cuda_graph", "off"), ("live", False), ("mirror", "tensorboard"), ("archs", [MLP])],
)
def test_a_parameter_that_dvc_does_not_track_is_no_part_of_what_identifies_a_run(key: str, value: Any) -> None:
    assert key in NOT_RESULTS
    parameters = config.load(ROOT / PARAMS[0])
    changed = parameters.model_copy(update={"train": parameters.train.model_copy(update={key: value})})
    assert changed != parameters
    assert description(changed, MLP) == description(parameters, MLP)


OTHER_VALUES = {
    "seed": 1,
    "epochs": 3,
    "scaled_epochs": 3,
    "batch_size": 7,
    "momentum": 0.5,
    "precision": "bf16",
    "deterministic": False,
    "evaluate_every": 2,
    "stop_when_fitted": 2,
}


# The device is part of it once `auto` is resolved, so that a GPU's run does not continue a CPU's.
@pytest.mark.parametrize("key", sorted(set(config.Train.model_fields) - NOT_RESULTS - {"device"}))
def test_a_parameter_that_dvc_tracks_is_part_of_what_identifies_a_run(key: str) -> None:
    parameters = config.load(ROOT / PARAMS[0])
    changed = parameters.model_copy(update={"train": parameters.train.model_copy(update={key: OTHER_VALUES[key]})})
    assert description(changed, MLP) != description(parameters, MLP)


# --- What runs


@dataclass(frozen=True)
class Clones:
    """Two clones of one commit after `dvc repro`; in the second, a training stage was killed on the way."""

    whole: Copy
    killed: Copy
    exit_code_of_killed: int
    epochs_of_killed: int
    finished_before: list[str]
    continued: list[str]


@pytest.fixture(scope="module")
def clones(project: Copy, folder: Path) -> Clones:
    """Both run side by side, to save time. The outputs of the first are committed."""
    whole = project.duplicate(folder / "whole")
    for pipeline in ("imagenet", "paper", "theory"):  # every DVC command would read their stages
        shutil.rmtree(whole.folder / pipeline)
    whole.change_params(SMALL)
    whole.commit()
    killed = whole.clone(folder / "killed")
    repro_of_killed, repro_of_whole = killed.start("dvc", "repro"), whole.start("dvc", "repro")
    try:
        stage = wait_until(lambda: stage_process(repro_of_killed, "stages.train", MLP))
        before = killed.checkpoints()
        (checkpoint,) = wait_until(lambda: killed.checkpoints() - before)
        stage.send_signal(signal.SIGKILL)
        stage.wait()
        epochs = len(progress(checkpoint)["rows"])
        output, _ = repro_of_killed.communicate()
        continued = killed.repro()
        output_of_whole, _ = repro_of_whole.communicate()
    finally:
        for repro in (repro_of_killed, repro_of_whole):
            repro.kill()
    assert repro_of_whole.returncode == 0, output_of_whole
    whole.commit()
    return Clones(whole, killed, repro_of_killed.returncode, epochs, stages_run(output)[:-1], continued)


@pytest.fixture
def copy(clones: Clones, folder: Path) -> Iterator[Copy]:
    """A copy, of its own for each test, of the clone whose outputs are committed."""
    yield clones.whole.duplicate(folder / "copy")
    shutil.rmtree(folder / "copy")


@dataclass(frozen=True)
class Change:
    """A copy after a change, the stages that it ran and the runs it came to."""

    copy: Copy
    ran: list[str]
    runs: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """A copy after an experiment with a wrong parameter, what was printed, and the results before and after it."""

    copy: Copy
    output: str
    before: dict[str, str]
    after: dict[str, str]


def with_another_learning_rate(copy: Copy) -> Change:
    copy.change_params({"archs.alexnet.lr": 0.02})
    ran = copy.repro()
    return Change(copy, ran, copy.hashes("runs"))


def at_another_level(copy: Copy) -> Change:
    ran = stages_run(copy.dvc("exp", "run", "--set-param", "corrupt.level=0.5"))
    return Change(copy, ran, copy.hashes("runs"))


def with_a_wrong_parameter(copy: Copy) -> Refusal:
    """The parameters are restored by Git afterwards."""
    results = ("data/raw", "data/corrupted", "runs", "metrics", "plots")
    before = copy.hashes(*results)
    output = copy.dvc("exp", "run", "--set-param", "train.archs=[resnet]", succeeds=False)
    refusal = Refusal(copy, output, before, copy.hashes(*results))
    copy.run("sh", "-euc", "rm params.yaml; git checkout HEAD -- params.yaml")  # as the README says
    return refusal


@pytest.fixture(scope="module")
def changed(clones: Clones, folder: Path) -> dict[Callable[[Copy], Any], Any]:
    """What the longer of the experiments gave, by their functions: each in a copy of its own, two at a time."""
    experiments = (at_another_level, with_another_learning_rate, with_a_wrong_parameter)
    copies = [clones.whole.duplicate(folder / experiment.__name__) for experiment in experiments]
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(*each) for each in zip(experiments, copies, strict=True)]
    return {experiment: future.result() for experiment, future in zip(experiments, futures, strict=True)}


@pytest.fixture
def relearned(changed: dict) -> Change:
    """AlexNet at another learning rate."""
    return changed[with_another_learning_rate]


@pytest.fixture
def half_random(changed: dict) -> Change:
    """The experiment with half of the labels random."""
    return changed[at_another_level]


@pytest.fixture
def refused(changed: dict) -> Refusal:
    """The experiment with a wrong parameter."""
    return changed[with_a_wrong_parameter]


def test_the_outputs_that_git_keeps_are_tracked_and_the_others_are_not(clones: Clones) -> None:
    tracked = set(clones.whole.git("ls-files").splitlines())
    assert set(clones.whole.hashes("metrics/headline", "plots/headline")) <= tracked
    assert "metrics/headline/summary.json" in tracked
    assert [name for name in tracked if name.startswith(("data/", "runs/", "checkpoints/", "live/"))] == [
        "data/README.md"
    ]


def test_what_editors_and_systems_leave_runs_nothing_and_is_no_architecture(copy: Copy) -> None:
    names = (".DS_Store", "._loop.py", ".loop.py.swp", ".#loop.py", "loop.py~", ".ipynb_checkpoints/loop-checkpoint.py")
    for name in names:
        for room in ("training", "models"):
            (copy.folder / f"rethinking/{room}/{name}").parent.mkdir(exist_ok=True)
            copy.append(f"rethinking/{room}/{name}", "x = 1\n")
    assert copy.repro() == []
    assert copy.git("status", "--porcelain") == ""
    copy.change_params({"train.archs": ["unknown"]})
    _, output = StageProcess("validate", "--out", "validated.txt", folder=copy.folder, code=copy.folder).communicate()
    assert "train.archs: unknown name 'unknown'; allowed: alexnet, inception," in output
    assert "loop" not in errors(output)[0]


def test_evaluating_again_writes_the_same_bytes(copy: Copy) -> None:
    assert copy.repro("--single-item", "--force", "evaluate") == ["evaluate"]
    assert copy.git("status", "--porcelain") == ""


def test_two_clones_of_a_commit_come_to_the_same_bytes(clones: Clones) -> None:
    folders = ("data/raw", "data/corrupted/headline", "runs/headline/alexnet", "metrics/headline", "plots/headline")
    whole = clones.whole.hashes(*folders)
    assert {"metrics/headline/summary.json", "plots/headline/learning_curves.svg"} <= set(whole)
    assert clones.killed.hashes(*folders) == whole
    locks = [read_yaml(copy.folder / "dvc.lock") for copy in (clones.whole, clones.killed)]
    assert locks[0] == locks[1]


def test_after_a_training_stage_was_killed_repro_runs_that_stage_and_what_had_not_run(clones: Clones) -> None:
    assert clones.exit_code_of_killed != 0
    assert 0 < clones.epochs_of_killed < MLP_EPOCHS, "the test killed it too early or too late"
    assert {"validate", "fetch", "corrupt"} <= set(clones.finished_before)
    assert f"train@{MLP}" in clones.continued
    everything = ["validate", "fetch", "corrupt", *TRAININGS, "evaluate", "plot"]
    assert sorted(clones.finished_before + clones.continued) == sorted(everything)


def test_a_killed_training_run_ends_in_the_bytes_of_one_that_was_not(clones: Clones) -> None:
    files = clones.whole.hashes(f"runs/headline/{MLP}")
    assert {Path(name).name for name in files} >= {"model.safetensors", "curves.csv", "metrics.json"}
    assert clones.killed.hashes(f"runs/headline/{MLP}") == files


def test_changing_a_learning_rate_trains_that_architecture_only(relearned: Change) -> None:
    assert [name for name in relearned.ran if name != "validate"] == ["train@alexnet", "evaluate", "plot"]


def test_changing_a_learning_rate_back_restores_the_run_and_trains_nothing(relearned: Change, clones: Clones) -> None:
    copy = relearned.copy
    weights = "runs/headline/alexnet/model.safetensors"
    expected = clones.whole.hashes("runs")
    assert relearned.runs[weights] != expected[weights]
    copy.git("checkout", "HEAD", "--", "params.yaml")
    assert not set(copy.repro("train")) - {"validate"}
    assert copy.hashes("runs") == expected


def test_a_comment_in_the_code_of_an_architecture_trains_that_one_only(copy: Copy) -> None:
    copy.append("rethinking/models/alexnet.py", "# A comment.\n")
    assert copy.repro("train") == ["validate", "train@alexnet"]
    copy.git("checkout", "HEAD", "--", "rethinking/models/alexnet.py")
    assert not set(copy.repro("train")) - {"validate"}


def test_in_the_papers_grid_an_edit_of_an_architecture_trains_that_one_only(project: Copy, folder: Path) -> None:
    copy = project.duplicate(folder / "grid")
    for pipeline in ("demo", "imagenet", "theory"):  # every DVC command would read their stages
        shutil.rmtree(copy.folder / pipeline)
    copy.change_params({key: value for key, value in SMALL.items() if key != "train.archs"})
    copy.change_params({"dataset.name": "digits"}, "paper/cifar10.yaml")
    copy.change_params(
        {
            "train.epochs": 1,
            "paper.corruptions.digits": ["labels-1.0"],
            "paper.runs.figure_1": {
                "dataset": "digits",
                "archs": ["alexnet", MLP],
                "corruptions": ["labels-1.0"],
                "variants": ["plain"],
            },
        },
        "paper/params.yaml",
    )
    blocks, run = "paper/dvc.yaml:figure_1", f"paper/dvc.yaml:figure_1@{MLP}-labels-1.0-plain-0"
    assert {run, run.replace(MLP, "alexnet")} < set(copy.repro(blocks))
    weights = copy.hashes("runs")
    copy.append(f"rethinking/models/{MLP}.py", "# A comment.\n")
    copy.dvc("commit", "--force", run)  # as paper/dvc.yaml says of an edit that changes no result
    assert copy.repro(blocks) == ["paper/dvc.yaml:validate"]
    copy.append(f"rethinking/models/{MLP}.py", "OTHER_CODE = True\n")
    assert copy.repro(blocks) == ["paper/dvc.yaml:validate", run]
    assert copy.hashes("runs") == weights


def test_a_comment_in_the_code_of_the_figures_draws_the_same_figures_and_trains_nothing(copy: Copy) -> None:
    copy.append("stages/plot.py", "# A comment.\n")
    assert copy.repro() == ["plot"]
    assert not copy.git("status", "--porcelain", "plots", "metrics")


def test_an_experiment_at_another_level_corrupts_and_trains_again_and_fetches_nothing(
    half_random: Change,
) -> None:
    ran = [name for name in half_random.ran if name != "validate"]
    assert ran[0] == "corrupt"
    assert sorted(ran[1:3]) == TRAININGS
    assert ran[3:] == ["evaluate", "plot"]


def test_metrics_diff_shows_the_old_and_the_new_accuracy_in_one_row(half_random: Change, clones: Clones) -> None:
    copy = half_random.copy
    rows = json.loads(copy.dvc("metrics", "diff", "--all", "--json"))["metrics/headline/summary.json"]
    file = "metrics/headline/summary.json"
    old, new = (json.loads((each.folder / file).read_text(encoding="utf-8")) for each in (clones.whole, copy))
    for arch in ("alexnet", MLP):
        row = rows[f"{arch}.train_accuracy"]
        assert [row["old"], row["new"]] == [old[arch]["train_accuracy"], new[arch]["train_accuracy"]]
        assert [old[arch]["corruption"]["level"], new[arch]["corruption"]["level"]] == [1.0, 0.5]


def test_given_labels_train_again_when_their_file_changes(copy: Copy) -> None:
    true = np.load(copy.folder / "data/raw/train_labels.npy")

    def write(share: float) -> None:
        human = np.where(np.arange(len(true)) < share * len(true), (true + 1) % 10, true)
        lines = ["label,true_label", *(f"{new},{old}" for new, old in zip(human, true, strict=True))]
        (copy.folder / "human.csv").write_text("\n".join(lines), encoding="utf-8")

    def given(*words: str, labels: str = "human.csv", succeeds: bool = True) -> str:
        values = ("corrupt.kind=given", f"corrupt.labels={labels}", f"train.archs=[{MLP}]")
        changes = [word for value in values for word in ("--set-param", value)]
        return copy.dvc("exp", "run", *changes, *words, succeeds=succeeds)

    write(0.5)
    assert "corrupt.labels: no such file 'human.csv'" in errors(given("--temp", succeeds=False))[0]
    downstream = ["corrupt", f"train@{MLP}", "evaluate", "plot"]
    assert stages_run(given()) == ["validate", *downstream]
    assert json.loads((copy.folder / "data/corrupted/headline/audit.json").read_text())["changed"] == 0.5
    summary = json.loads((copy.folder / "metrics/headline/summary.json").read_text())[MLP]
    assert summary["corruption"]["kind"] == "given"
    assert summary["clean_subset_accuracy"] is not None
    assert copy.repro() == []
    write(0.25)
    assert copy.repro() == downstream
    assert "validate" in stages_run(given("--temp", "corrupt", labels=str(copy.folder / "human.csv")))


CHARTS = ["train_accuracy", "test_accuracy", "training_loss"]


def charts(page: Path) -> dict[str, str]:
    """The code of every chart of a page that DVC wrote, by its id."""
    _, *sections = (page / "index.html").read_text(encoding="utf-8").split('<div id = "')
    return {section.partition('"')[0]: section for section in sections}


def test_plots_show_draws_every_run_in_every_chart(clones: Clones, tmp_path: Path) -> None:
    clones.whole.dvc("plots", "show", "--out", str(tmp_path / "page"))
    drawn = charts(tmp_path / "page")
    for name in CHARTS:
        assert '"run": "alexnet"' in drawn[f"dvc_yaml__{name}"]
        assert f'"run": "{MLP}"' in drawn[f"dvc_yaml__{name}"]


def test_plots_diff_draws_both_revisions_in_every_chart(half_random: Change, tmp_path: Path) -> None:
    half_random.copy.dvc("plots", "diff", "HEAD", "--out", str(tmp_path / "page"))
    drawn = charts(tmp_path / "page")
    for name in CHARTS:
        assert '"rev": "HEAD"' in drawn[f"dvc_yaml__{name}"]
        assert '"rev": "workspace"' in drawn[f"dvc_yaml__{name}"]


def test_a_wrong_parameter_fails_in_one_sentence_that_names_it_and_touches_no_result(refused: Refusal) -> None:
    assert stages_run(refused.output) == ["validate"]
    assert len(errors(refused.output)) == 1
    assert errors(refused.output)[0].startswith("train.archs: unknown name 'resnet'")
    assert "Traceback" not in refused.output
    assert refused.before
    assert refused.after == refused.before


def test_after_a_wrong_parameter_git_checkout_and_repro_bring_everything_back(refused: Refusal, clones: Clones) -> None:
    copy = refused.copy
    assert copy.repro() == []
    assert copy.git("status", "--porcelain") == ""
    outputs = ("data/raw", "data/corrupted", "runs")
    assert copy.hashes(*outputs) == clones.whole.hashes(*outputs)
    assert (copy.folder / "data/validated/headline.txt").is_file()


def test_a_timm_model_is_a_stage_like_any_other(copy: Copy) -> None:
    copy.change_params({"train.archs": ["alexnet", MLP, "timm/resnet18"]})
    ran = stages_run(copy.dvc("repro", "--dry"))
    assert "train@timm/resnet18" in ran
    assert not set(TRAININGS) & set(ran)


def test_sigterm_saves_and_says_how_to_continue_and_the_same_command_continues(copy: Copy) -> None:
    process = copy.start_training(MLP, "runs/again")
    (checkpoint,) = wait_until(copy.checkpoints)
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert len(errors(output)) == 1
    assert "runs/again was stopped" in output
    assert "run the same command again to continue" in output
    assert not (copy.folder / "runs/again").exists()

    assert len(progress(checkpoint)["rows"]) < MLP_EPOCHS, "the test stopped it too late"
    loss = mark_first_epoch(checkpoint, 12345.0)
    assert copy.start_training(MLP, "runs/again").wait() == 0
    curves = copy.folder / "runs/again/curves.csv"
    text = curves.read_text(encoding="utf-8")
    assert text.count(",12345,") == 1, "the run started over"
    curves.write_text(text.replace(",12345,", f",{loss:.6g},"), encoding="utf-8")
    (copy.folder / "runs/again/meta.json").unlink()  # which seals the marked curves
    again, before = (copy.hashes(folder) for folder in ("runs/again", f"runs/headline/{MLP}"))
    assert list(again.values()) == [value for name, value in before.items() if not name.endswith("meta.json")]


def mark_first_epoch(checkpoint: Path, mark: float) -> float:
    """Replace the first epoch's recorded mini-batch loss in a checkpoint; return the one that was there."""
    state = progress(checkpoint)
    loss, state["rows"][0]["minibatch_loss"] = state["rows"][0]["minibatch_loss"], mark
    tensors, text = load_file(checkpoint), json.dumps(state)
    save_file(tensors, checkpoint, {"progress": text, "sha256": checksum(tensors, text)})
    return loss


def other_code(copy: Copy) -> None:
    copy.append("rethinking/models/parts/mlp.py", "OTHER_CODE = True\n")


def another_learning_rate(copy: Copy) -> None:
    copy.change_params({f"archs.{MLP}.lr": 0.02})


@pytest.mark.parametrize("edit", [other_code, another_learning_rate])
def test_a_run_whose_inputs_change_while_it_trains_fails_and_writes_nothing(
    copy: Copy, edit: Callable[[Copy], None]
) -> None:
    runs = copy.hashes("runs")
    process = copy.start_training(MLP, "runs/again")
    wait_until(copy.checkpoints)
    edit(copy)
    _, output = process.communicate()
    assert process.returncode == 1
    assert len(errors(output)) == 1
    assert "changed while runs/again trained" in output
    assert copy.hashes("runs") == runs


def test_an_experiment_killed_in_its_temporary_copy_continues_from_its_checkpoint(copy: Copy) -> None:
    before = copy.checkpoints()
    experiment = ("exp", "run", "--temp", "--name", "again", "--set-param", "train.seed=1")
    experiment += ("--set-param", f"train.archs=[{MLP}]", "evaluate")
    process = copy.start(sys.executable, "-m", "dvc", *experiment)
    stage = wait_until(lambda: stage_process(process, "stages.train", MLP))
    (checkpoint,) = wait_until(lambda: copy.checkpoints() - before)
    stage.kill()
    output, _ = process.communicate()
    assert process.returncode != 0, output
    # DVC has deleted its copy with all the run had written there; what we mark can only come from the checkpoint.
    mark_first_epoch(checkpoint, 123.0)
    copy.dvc(*experiment)
    (commit,) = (ref for ref in copy.git("for-each-ref", "--format=%(refname)", "refs/exps").split() if "again" in ref)
    (copy.folder / "curves.csv").write_text(copy.git("show", f"{commit}:metrics/headline/curves.csv"))
    curves = read_table(copy.folder / "curves.csv")
    assert list(curves["epoch"]) == list(range(1, MLP_EPOCHS + 1))
    assert curves["minibatch_loss"][0] == 123.0
