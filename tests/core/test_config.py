"""Every wrong parameter is one sentence: the key, what was found, what is allowed; and nothing has run by then."""

import pytest

from rethinking.core import config, registry
from rethinking.core.errors import UsageError
from rethinking.sources import digits
from rethinking.theory.common import config as config_theory
from tests.conftest import ROOT

# A changed key, its bad value, and what the sentence must say besides the key.
BAD = [
    ("corrupt.level", 1.5, ["found 1.5", "less than or equal to 1"]),
    ("corrupt.level", -0.1, ["found -0.1", "greater than or equal to 0"]),
    ("corrupt.level", float("nan"), ["found nan", "finite number"]),
    ("corrupt.level", "x", ["found 'x'", "number"]),
    ("corrupt.level", "", ["found ''; expected", "number"]),
    ("corrupt.level", True, ["found True", "number"]),
    ("corrupt.level", None, ["found None", "number"]),
    ("corrupt.kind", "lables", ["'lables'", "did you mean 'labels'?", "random_pixels"]),
    ("corrupt.kind", "_pixels", ["'_pixels'", "allowed: gaussian, given, labels, none"]),
    ("corrupt.kind", "../none", ["'../none'", "allowed: gaussian, given, labels, none"]),
    ("corrupt.kind", None, ["found None", "string"]),
    ("corrupt.seed", -1, ["found -1", "greater than or equal to 0"]),
    ("corrupt.seed", 2**63, [f"found {2**63}", "less than"]),
    ("corrupt.test_labels", "yes", ["found 'yes'", "boolean"]),
    ("corrupt.leevl", 0.5, ["unknown key", "did you mean 'level'?", "kind, level, seed, test_labels, labels"]),
    ("corrupt.labels", "human.pt", ["found 'human.pt'", ".npy or .csv"]),
    ("corrupt.labels", None, ["found None", "string"]),
    ("corrupt.labels", "human.npy", ["found 'human.npy'", "kind labels does not read", "set corrupt.kind to given"]),
    ("dataset.name", "cifar01", ["'cifar01'", "did you mean 'cifar", "digits, imagefolder, mnist"]),
    ("dataset.train_size", 0, ["found 0", "greater than or equal to 1"]),
    ("dataset.train_size", 10.5, ["found 10.5", "integer"]),
    ("dataset.input_size", 7, ["found 7", "greater than or equal to 8"]),
    ("train.archs", ["resnet"], ["'resnet'", "did you mean 'timm/resnet18'?", "alexnet, inception"]),
    ("train.archs", ["inception"], ["no recipe for 'inception'", "add archs.inception"]),
    ("train.archs", ["mlp_1x512", "mlp_1x512"], ["found ['mlp_1x512', 'mlp_1x512']", "twice"]),
    ("train.archs", [], ["found []", "at least 1"]),
    ("train.archs", "mlp_1x512", ["found 'mlp_1x512'", "list"]),
    ("train.epochs", 0, ["found 0", "greater than or equal to 1"]),
    ("train.epochs", 10**30, ["found 1000", "less than 2147483648"]),
    ("train.batch_size", 2**31, ["found 2147483648", "less than or equal to 1048576"]),
    ("train.epochs", True, ["found True", "integer"]),
    ("train.precision", "fp16", ["found 'fp16'", "'float32' or 'bf16'"]),
    ("train.device", "gpu", ["found 'gpu'", "did you mean 'cpu'?", "'auto', 'cuda', 'mps' or 'cpu'"]),
    ("train.momentum", 1.0, ["found 1.0", "less than 1"]),
    ("regularizers.dropout", 1, ["found 1", "less than 1"]),
    ("regularizers.dropuot", 0.5, ["unknown key", "did you mean 'dropout'?"]),
    ("archs.mlp_1x512.lr", "1e-4", ["found '1e-4'", "number", "without quotes"]),
    ("archs.mlp_1x512.lr", True, ["found True", "number"]),
    ("archs.mlp_1x512.lr", 0, ["found 0", "greater than 0"]),
    ("archs.mlp_1x512.lr", float("inf"), ["found inf", "finite"]),
    ("archs.mlp_1x512.lr", 1e300, ["found 1e+300", "less than or equal to 1000000000"]),
    ("archs.mlp_1x512.lr_dcay", 0.9, ["unknown key", "did you mean 'lr_decay'?"]),
    ("archs.lr", {"lr": 0.1, "decay": 1}, ["archs.lr.decay: unknown key", "lr, lr_decay"]),
    ("archs.mlp_1x512.lr_milestones", [10, 0], ["found 0", "greater than or equal to 1"]),
    ("grid.corruptions", ["labels-1.5"], ["'labels-1.5'", "between 0 and 1"]),
    ("grid.corruptions", ["labels-half"], ["'labels-half'", "written as in labels-0.5"]),
    ("grid.corruptions", ["labels-nan"], ["'labels-nan'", "between 0 and 1"]),
    ("grid.corruptions", ["labels"], ["'labels'", "between 0 and 1"]),
    ("grid.corruptions", ["labels-"], ["'labels-'", "written as in labels-0.5"]),
    ("grid.corruptions", ["labels-0.5", "labels-0.50"], ["'labels-0.50'", "written as in labels-0.5"]),
    ("grid.corruptions", ["labels-1e-05"], ["'labels-1e-05'", "written as in labels-0.5"]),
    ("grid.corruptions", ["labels-0.0"], ["'labels-0.0'", "written as in labels-0.5"]),
    ("grid.corruptions", ["given"], ["found 'given'", "only the headline's corrupt.kind"]),
    ("grid.corruptions", ["lables-0.5"], ["'lables'", "did you mean 'labels'?"]),
    ("grid.corruptions", ["none", "none"], ["found ['none', 'none']", "twice"]),
    ("grid.corruptions", [], ["found []", "at least 1"]),
    ("trian", {}, ["unknown key", "did you mean 'train'?", "dataset, corrupt, train"]),
    ("dataset", ["digits"], ["found", "section of keys"]),
]


def refusal(path, load=config.load):
    with pytest.raises(UsageError) as caught:
        load(path)
    return " ".join(str(caught.value).split())


def test_the_parameters_of_these_tests_are_valid(write_parameters):
    assert config.load(write_parameters()).corrupt.level == 1.0


@pytest.mark.parametrize("path", ["params.yaml", "demo/params.yaml"])
def test_the_committed_parameters_are_valid(path):
    assert config.load(ROOT / path).planned_runs()


@pytest.mark.parametrize("path", ["theory/digits.yaml", "theory/mnist.yaml", "theory/cifar10.yaml"])
def test_the_committed_parameters_of_the_theory_are_valid(path):
    assert config_theory.load_theory(ROOT / path).kernel


def test_a_file_without_a_theory_section_is_refused_by_the_theory(write_parameters):
    with pytest.raises(UsageError, match="theory: missing"):
        config_theory.load_theory(write_parameters())


THEORY = {
    "theory.expressivity": {"sizes": [10], "layers": 2},
    "theory.kernel": {"pixels": {"bandwidths": [0.1], "search_size": 10, "held_out": 10}},
    "theory.minimum_norm": {
        **{"train_size": 5, "features": 10, "bandwidth": 0.1, "epochs": 2, "batch_size": 2},
        **{"scales": [0.0], "counts": [3], "draws": 2},
    },
}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("theory.device", "mps", ["found 'mps'", "'auto', 'cuda' or 'cpu'"]),
        ("theory.kernel.pixels.bandwidths", [0.0], ["found 0.0", "greater than 0"]),
        ("theory.kernel.pixels.bandwith", 1.0, ["unknown key", "bandwidths, ridges, search_size"]),
        (
            "theory.kernel.pixels.gabor",
            {"orientation": 3},
            ["gabor.orientation: unknown key (did you mean 'orientations'?)"],
        ),
        ("theory.kernel.gabor", {"bandwidht": [0.1]}, ["gabor.bandwidht: unknown key", "bandwidths, ridges"]),
        ("theory.expressivity.layrs", 2, ["unknown key", "did you mean 'layers'?"]),
        ("theory.expresivity", {}, ["unknown key", "did you mean 'expressivity'?"]),
    ],
)
def test_a_bad_value_of_the_theory_is_one_sentence(write_parameters, key, value, words):
    message = refusal(write_parameters(THEORY | {key: value}), config_theory.load_theory)
    assert message.startswith(key)
    for word in words:
        assert word in message


def test_the_theory_is_read_from_several_files_as_all_parameters_are(tmp_path, write_parameters):
    (tmp_path / "more.yaml").write_text("dataset: {name: mnist}")
    theory, more = write_parameters(THEORY), tmp_path / "more.yaml"
    assert config_theory.load_theory(theory, more) == config_theory.load_theory(theory)
    assert config.load(theory, more).dataset.name == "mnist"
    wrong = write_parameters(THEORY | {"theory.seed": -1})
    with pytest.raises(UsageError, match=rf"^theory.seed: found -1; .* \({wrong} with {more}\)$"):
        config_theory.load_theory(wrong, more)
    with pytest.raises(UsageError, match=rf"^theory: missing \({more.with_name('params.yaml')} with {more}\)$"):
        config_theory.load_theory(write_parameters(), more)


@pytest.mark.parametrize(("key", "value", "words"), BAD, ids=[f"{key}={value}" for key, value, _ in BAD])
def test_a_bad_value_is_one_sentence(write_parameters, key, value, words):
    message = refusal(write_parameters({key: value}))
    assert message.startswith(key.removesuffix(".lr_milestones")) or message.startswith("archs: no recipe")
    for word in words:
        assert word in message
    assert len(message) < 400  # the list of architectures grows
    assert "pydantic" not in message
    assert ". " not in message, "more than one sentence"


@pytest.mark.parametrize("section", ["dataset", "corrupt", "train", "archs"])
def test_a_missing_section_is_named(write_parameters, section):
    path = write_parameters()
    lines = path.read_text().splitlines(keepends=True)
    start = lines.index(f"{section}:\n")
    stop = next((n for n in range(start + 1, len(lines)) if lines[n][0].isalpha()), len(lines))
    path.write_text("".join(lines[:start] + lines[stop:]))
    assert refusal(path).startswith(f"{section}: missing")


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("dataset.name", {"seed": 0}),
        ("train.epochs", {"archs": ["mlp_1x512"]}),
        ("archs.mlp_1x512.lr", {"lr_decay": 0.9}),
    ],
)
def test_a_missing_key_is_named(write_parameters, key, section):
    assert refusal(write_parameters({key.rpartition(".")[0]: section})).startswith(f"{key}: missing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "NoneType; expected sections"),
        ("- a\n- b\n", "list; expected sections"),
        ("dataset: {", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_parameter_file_is_named(tmp_path, text, words):
    (tmp_path / "odd.yaml").write_text(text, encoding="latin1")
    message = refusal(tmp_path / "odd.yaml")
    assert "odd.yaml" in message
    assert words in message


def test_a_missing_file_is_named(tmp_path):
    assert "no parameter file" in refusal(tmp_path / "absent.yaml")


def test_a_crop_smaller_than_a_networks_input_is_refused(write_parameters):
    changes = {"corrupt.kind": "random_pixels", "archs.mlp_1x512.input_size": 32}
    message = refusal(write_parameters(changes))
    assert message.startswith("dataset.input_size: found 28")
    assert config.load(write_parameters({**changes, "dataset.input_size": 32})).input_size("mlp_1x512") == 32
    assert config.load(write_parameters({**changes, "corrupt.kind": "labels"}))


SIDES = {"cifar10": 32, "cifar100": 32, "digits": 32, "mnist": 28}


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("key", ["dataset.input_size", "archs.mlp_1x512.input_size"])
def test_an_input_larger_than_the_images_is_refused_and_the_remedy_works(write_parameters, name, key):
    changes, side = (
        {"dataset.name": name, "corrupt.kind": "random_pixels", "dataset.input_size": SIDES[name]},
        SIDES[name],
    )
    message = refusal(write_parameters({**changes, key: side + 1}))
    assert (
        message == f"{key}: found {side + 1}, but the images of {name} are only {side} pixels wide; set at most {side}"
    )
    assert config.load(write_parameters({**changes, key: side}))


def test_what_is_known_of_an_official_data_set_is_true():
    data = digits.read("official", None)
    assert config.OFFICIAL["digits"] == (len(data.train_labels), *data.train_images.shape[2:])
    assert set(config.OFFICIAL) == set(registry.names("sources")) - {"imagefolder"}


@pytest.mark.parametrize("name", ["timm/resnet18.a1_in1k", "my.net"])
def test_a_name_with_a_dot_is_refused_with_a_name_that_works(write_parameters, name):
    message = refusal(write_parameters({"train.archs": [name], "archs": {name: {"lr": 0.1}}}))
    assert message.startswith(f"train.archs: found '{name}', but a dot ends a name")
    assert message.endswith(f"call its file rethinking/models/{name.replace('.', '_')}.py")


def test_a_file_with_a_dash_in_its_name_is_refused_and_a_slip_gets_a_hint(tmp_path, monkeypatch, write_parameters):
    assert "did you mean 'mlp_1x512'?" in refusal(write_parameters({"train.archs": ["mlp-1x512"]}))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/my-net.py").touch()
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    with pytest.raises(UsageError, match="found 'my-net'.*a dash in the name of a run.*call its file .*/my_net.py"):
        registry.require("models", "my-net", "train.archs")
    (tmp_path / "models/my-nets").mkdir()
    (tmp_path / "models/my-nets/net.py").touch()
    with pytest.raises(UsageError, match="a dash in the name of a run.*call its file .*/my_nets/net.py"):
        registry.require("models", "my-nets/net", "train.archs")


def test_exponents_without_quotes_are_numbers(write_parameters):
    path = write_parameters()
    path.write_text(path.read_text().replace("lr: 0.01", "lr: 1e-4"))
    assert config.load(path).recipe("mlp_1x512").lr == 0.0001


@pytest.mark.parametrize(
    ("name", "kind", "level"),
    [("labels-0.5", "labels", 0.5), ("gaussian", "gaussian", 0.0), ("labels-1.0", "labels", 1.0)],
)
def test_a_grid_name_is_a_kind_and_a_level(write_parameters, name, kind, level):
    parameters = config.load(write_parameters({"grid.corruptions": [name], "corrupt.seed": 5}))
    corruption = parameters.corruption(name)
    assert (corruption.kind, corruption.level, corruption.seed) == (kind, level, 5)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("corrupt.labels", config.TRUE_LABELS, ["the true ones", "name the file"]),
        ("corrupt.level", 0.4, ["found 0.4", "set 1.0"]),
        ("corrupt.test_labels", True, ["found True", "set false"]),
    ],
)
def test_given_labels_are_a_file_and_nothing_else(write_parameters, key, value, words):
    changes = {"corrupt.kind": "given", "corrupt.labels": "human.npy"}
    assert config.load(write_parameters(changes)).corrupt.labels == "human.npy"
    message = refusal(write_parameters({**changes, key: value}))
    assert message.startswith(f"{key}: ")
    assert all(word in message for word in words)


def test_every_architecture_runs_on_every_corruption(write_parameters):
    changes = {"train.archs": ["alexnet", "mlp_1x512"], "grid.corruptions": ["none", "labels-0.5"]}
    names = [run.text for run in config.load(write_parameters(changes)).planned_runs()]
    assert names == ["alexnet-none", "alexnet-labels-0.5", "mlp_1x512-none", "mlp_1x512-labels-0.5"]
    headline = config.load(write_parameters({"train.archs": ["alexnet"]}))
    assert [run.text for run in headline.planned_runs()] == ["alexnet"]


def test_the_validate_stage_says_one_sentence_and_writes_nothing(tmp_path, write_parameters, failure):
    wrong = write_parameters({"corrupt.level": 1.5})
    code, message = failure("validate", "--params", wrong, "--out", tmp_path / "out/valid.txt")
    assert code == 2
    assert "corrupt.level" in message
    assert not (tmp_path / "out").exists()


def test_the_validate_stage_writes_the_same_file_whatever_the_parameters(tmp_path, write_parameters, run_stage):
    written = []
    for changes in ({}, {"corrupt.level": 0.5}):
        arguments = ("--params", write_parameters(changes), "--out", tmp_path / "out/valid.txt")
        assert run_stage("validate", *arguments).returncode == 0
        written.append((tmp_path / "out/valid.txt").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["theory/digits.yaml", "paper/mnist.yaml"], None),
        (["theory/digits.yaml", "theory/mnist.yaml"], "error: theory.seed: found in "),
        (["theory/digits.yaml", "paper/params.yaml"], "error: train.archs: missing "),
        (["params.yaml", "paper/params.yaml", "paper/mnist.yaml"], None),
        (["params.yaml", "theory/mnist.yaml"], "error: theory.seed: found in "),
    ],
)
def test_the_validate_stage_reads_several_files_of_any_kind(run_stage, tmp_path, files, said):
    done = run_stage("validate", "--params", *(ROOT / file for file in files), "--out", tmp_path / "valid.txt")
    assert done.returncode == (2 if said else 0)
    assert done.stderr.startswith(said or "")
    assert done.stderr.count("\n") == (1 if said else 0)


BLOCK = {"archs": ["mlp_1x512"], "corruptions": ["none", "labels-0.5"], "variants": ["plain", "weight_decay"]}
PAPER = {
    "paper.seeds": [0, 1],
    "paper.corruptions": {"digits": ["none", "labels-0.5"]},
    "paper.runs.main": {"dataset": "digits", **BLOCK},
}


def test_the_papers_grid_is_every_block_in_full_for_every_seed(write_parameters):
    runs = config.load(write_parameters(PAPER | {"paper.runs.out": None})).planned_runs()  # null leaves a block out
    assert [run.text for run in runs[:3]] == [
        "mlp_1x512-none-plain-0",
        "mlp_1x512-none-plain-1",
        "mlp_1x512-none-weight_decay-0",
    ]
    assert len(set(runs)) == len(runs) == 8


def test_a_block_of_another_data_set_is_not_of_this_one(write_parameters):
    other = {"paper.corruptions": {"digits": ["none", "labels-0.5"], "mnist": ["none"]}}
    other["paper.runs.other"] = {
        "dataset": "mnist",
        "archs": ["alexnet"],
        "corruptions": ["none"],
        "variants": ["plain"],
    }
    assert {run.arch for run in config.load(write_parameters(PAPER | other)).planned_runs()} == {"mlp_1x512"}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"paper.runs.again": {"dataset": "digits", **BLOCK}}, ["found mlp_1x512-none-plain-0 in two blocks"]),
        (
            {"paper.runs.main": {**BLOCK, "dataset": "digits", "variants": ["weight-decay"]}},
            ["'weight-decay'", "plain"],
        ),
        ({"paper.runs.main": {**BLOCK, "dataset": "digits", "variants": ["batch_size-0"]}}, ["'batch_size-0'"]),
        (
            {"paper.runs.main": {**BLOCK, "dataset": "digits", "variants": ["batch_size-9999999"]}},
            ["'batch_size-9999999'", "at most 1048576"],
        ),
        ({"paper.runs.main": {**BLOCK, "dataset": "digits", "archs": ["alexnett"]}}, ["did you mean 'alexnet'"]),
        ({"paper.runs.main": {**BLOCK, "dataset": "mnst"}}, ["paper.runs.main.dataset", "did you mean 'mnist'"]),
        (
            {"paper.runs.main": {**BLOCK, "dataset": "digits", "variants": ["batch_size-032"]}},
            ["'batch_size-032'", "batch_size-N"],
        ),
        (
            {"paper.runs.main": {**BLOCK, "dataset": "digits", "variants": ["batch_size-32+batch_size-64"]}},
            ["'batch_size-32+batch_size-64' has batch_size twice"],
        ),
        (
            {"paper.runs.main": {**BLOCK, "dataset": "digits", "variants": ["weight_decay+weight_decay"]}},
            ["has weight_decay twice"],
        ),
        ({"paper.corruptions": {"mnist": ["none"]}}, ["paper.corruptions: missing 'digits'", "found mnist"]),
        ({"paper.corruptions": {"digits": ["none"]}}, ["'labels-0.5'", "paper.corruptions.digits"]),
        ({"paper.seeds": [0, 0]}, ["paper.seeds", "twice"]),
        ({"paper.seeds": []}, ["paper.seeds", "at least 1"]),
        ({"paper.runs.main.levels": [1]}, ["paper.runs.main.levels: unknown key"]),
    ],
)
def test_a_wrong_grid_of_the_paper_is_refused(write_parameters, changes, parts):
    message = refusal(write_parameters(PAPER | changes))
    assert all(part in message for part in parts), message


def test_a_variant_and_a_seed_change_only_what_they_name(write_parameters):
    parameters = config.load(write_parameters(PAPER))
    run = config.RunName("mlp_1x512", "none", "random_crop+batch_size-32", 7)
    changed = parameters.of_run(run)
    assert (changed.train.seed, changed.train.batch_size, changed.regularizers.random_crop) == (7, 32, True)
    assert changed.regularizers.weight_decay is False
    assert parameters.of_run(run._replace(variant="plain", seed=None)) == parameters
    with pytest.raises(UsageError, match=r"^train\.seed: found -1; expected"):
        parameters.of_run(run._replace(seed=-1))


def test_a_later_files_keys_replace_an_earlier_ones(tmp_path, write_parameters):
    base, over = write_parameters({"train.seed": 4}), tmp_path / "over.yaml"
    over.write_text("train: {epochs: 9}\ndataset: {name: mnist}\n")
    parameters = config.load(base, over)
    assert (parameters.train.epochs, parameters.train.seed, parameters.dataset.name) == (9, 4, "mnist")


def test_a_share_of_the_machine_is_allowed_and_the_last_file_counts(write_parameters, tmp_path):
    first = write_parameters({"resources": {"train@*": {"gpu": 0.5, "cores": 2}}})
    assert config.load(first).resources["train@*"].gpu == 0.5
    second = tmp_path / "second.yaml"
    second.write_text("resources: {'train@*': {gpu: 0.25}}\n")
    share = config.resources(first, second)["train@*"]
    assert (share.gpu, share.cores) == (0.25, 2)


def test_a_share_of_a_gpu_and_whole_ones_exclude_each_other(write_parameters, tmp_path):
    first = write_parameters({"resources": {"train@*": {"gpu": 0.5}}})
    second = tmp_path / "second.yaml"
    second.write_text("resources: {'train@*': {gpus: 8}}\n")
    with pytest.raises(UsageError, match=r"^resources\.train@\*: found .*; gpu is a share of one GPU and gpus counts"):
        config.resources(first, second)
    second.write_text("resources: {'train@*': {gpus: 8, gpu: 0.0}}\n")
    assert config.resources(first, second)["train@*"].gpus == 8


@pytest.mark.parametrize(
    "share", [{"gpu": 1.5}, {"cores": -1}, {"cores": 0.5}, {"memory": 1}, {"gpus": -1}, {"gpus": 0.5}]
)
def test_an_impossible_share_is_refused_alike_with_and_without_the_other_sections(write_parameters, share):
    path = write_parameters({"resources": {"train": share}})
    messages = set()
    for read in (config.load, config.resources):
        with pytest.raises(UsageError, match=rf"^resources\.train\.{next(iter(share))}: ") as failure:
            read(path)
        messages.add(str(failure.value))
    assert len(messages) == 1


def test_a_pattern_that_can_be_no_stages_name_is_refused(write_parameters):
    path = write_parameters({"resources": {"demo/dvc.yaml:train@*": {"cores": 2}}})
    for read in (config.load, config.resources):
        with pytest.raises(UsageError, match="':' is in no stage's name; expected a pattern of names alone, such as"):
            read(path)
    assert list(config.load(write_parameters({"resources": {"train@timm/*": {"cores": 2}}})).resources) == [
        "train@timm/*"
    ]


def test_a_variant_says_all_regularisers_whatever_the_parameters_have(write_parameters):
    parameters = config.load(
        write_parameters({**PAPER, "regularizers.weight_decay": True, "regularizers.dropout": 0.5})
    )
    plain = parameters.of_run(config.RunName("mlp_1x512", "none", "plain", 0)).regularizers
    cropped = parameters.of_run(config.RunName("mlp_1x512", "none", "random_crop", 0)).regularizers
    assert plain == config.Regularizers()
    assert cropped == config.Regularizers(random_crop=True)
    assert parameters.of_run(config.RunName("mlp_1x512")) == parameters


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("train: {precision: bf16}", "train.precision"),
        ("archs: {mlp_1x512: {lr: 0.5}}", "archs.mlp_1x512"),
        ("dataset: {input_size: 24}", "dataset.input_size"),
        ("theory: {seed: 1}", "theory.seed"),
        ("theory: null", "theory"),
    ],
)
def test_a_second_file_holds_only_what_the_grids_stages_are_told_to_read_there(tmp_path, write_parameters, text, key):
    (tmp_path / "more.yaml").write_text(text)
    with pytest.raises(UsageError, match=rf"^{key}: found in .*more.yaml; set it in .*params.yaml"):
        config.load(write_parameters(), tmp_path / "more.yaml")


@pytest.mark.parametrize("value", ["5", "[a, b]", "text"])
def test_a_second_file_whose_section_is_none_is_refused_in_a_sentence(tmp_path, write_parameters, value):
    (tmp_path / "more.yaml").write_text(f"train: {value}")
    with pytest.raises(UsageError, match="^train: found"):
        config.load(write_parameters(), tmp_path / "more.yaml")
