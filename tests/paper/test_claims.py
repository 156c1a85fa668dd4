"""A claim is judged by what was measured: a right result reproduces it, a wrong one fails it, none leaves it open."""

import copy
import math
from itertools import chain
from pathlib import Path

import pytest

from rethinking.core.errors import DataError, UsageError
from rethinking.core.run_name import kind_and_level
from rethinking.core.tables import write_table
from rethinking.paper.claims import load_claims
from rethinking.paper.names import DATASETS
from rethinking.paper.published import TABLE_2
from rethinking.paper.verdicts import interval_of_mean, judge, ours_as_text
from rethinking.results.runs import row_of
from tests.results.made import results_of

CLAIMS = load_claims(Path(__file__).parents[2] / "paper/claims.yaml")
BY_ID = {claim.id: claim for claim in CLAIMS.claims}
LEVELS = ["none", *(f"labels-{tenths / 10}" for tenths in range(1, 11))]


def run(test_accuracy, seed=0, arch="inception", **changes):
    return {
        "arch": arch,
        "dataset": "cifar10",
        "train_size": 50_000,
        "seed": seed,
        "train_accuracy": 1.0,
        "test_accuracy": test_accuracy,
        "epochs": 64,
        "steps": 25_024,
        "epochs_to_fit": 20,
        "steps_to_loss_0_1": 4000,
        "fitted": True,
        "diverged": False,
        "best_test_accuracy": test_accuracy,
        **dict.fromkeys(("clean_subset_accuracy", "corrupted_subset_accuracy", "recovered_true_accuracy")),
    } | changes


def faithful():
    """Results as the paper has them, for the networks and corruptions of figure 1."""
    starts = {"inception": 0.8575, "alexnet": 0.7607, "mlp_1x512": 0.5051}
    paper = {}
    for arch, start in starts.items():
        levels = {}
        for index, level in enumerate(LEVELS):
            test = start + (0.1 - start) * index / 10
            levels[level] = {"plain": {"seed-0": run(test, arch=arch, epochs_to_fit=20 + 4 * index)}}
        paper[arch] = levels
    for index, name in enumerate(["none", "shuffled_pixels", "gaussian", "random_pixels", "labels-1.0"]):
        kept = paper["inception"].setdefault(name, {"plain": {"seed-0": run(0.5)}})
        kept["plain"]["seed-0"]["steps_to_loss_0_1"] = 4000 + 3000 * index
    return {"cifar10": paper}


def verdict(summaries, claim):
    return judge(CLAIMS, BY_ID[claim], results_of(summaries))


def tampered(arch, corruption, **changes):
    results = copy.deepcopy(faithful())
    results["cifar10"][arch][corruption]["plain"]["seed-0"].update(changes)
    return results


WRONG = [
    ("table_1_inception_plain_test", tampered("inception", "none", test_accuracy=0.80)),
    ("table_1_inception_plain_train", tampered("inception", "none", train_accuracy=0.99)),
    # Labels that were never corrupted: the network generalises where it must not.
    ("table_1_inception_random_labels_test", tampered("inception", "labels-1.0", test_accuracy=0.86)),
    ("figure_1a_none_fits", tampered("inception", "none", steps_to_loss_0_1=None)),
    ("figure_1a_true_labels_first", tampered("inception", "gaussian", steps_to_loss_0_1=3000)),
    ("figure_1a_random_labels_last", tampered("inception", "random_pixels", steps_to_loss_0_1=25_000)),
    ("figure_1b_alexnet_slowdown", tampered("alexnet", "labels-1.0", epochs_to_fit=81)),
    ("figure_1b_alexnet_slowdown", tampered("alexnet", "labels-1.0", epochs_to_fit=None)),
    ("figure_1b_alexnet_grows", tampered("alexnet", "labels-0.5", epochs_to_fit=10)),
    ("figure_1c_alexnet_fits", tampered("alexnet", "labels-0.3", train_accuracy=0.9)),
    ("figure_1c_alexnet_start", tampered("alexnet", "none", test_accuracy=0.70)),
    ("figure_1c_alexnet_end", tampered("alexnet", "labels-1.0", test_accuracy=0.12)),
    ("figure_1c_alexnet_monotone", tampered("alexnet", "labels-0.5", test_accuracy=0.75)),
]


@pytest.mark.parametrize("claim", sorted({claim for claim, _ in WRONG}))
def test_the_papers_own_numbers_reproduce_its_claims(claim):
    assert verdict(faithful(), claim)["verdict"] == "reproduced"


@pytest.mark.parametrize(("claim", "results"), WRONG)
def test_a_wrong_result_differs(claim, results):
    assert verdict(results, claim)["verdict"] == "differs"


@pytest.mark.parametrize("claim", ["figure_1a_random_labels_last", "figure_1a_true_labels_first"])
def test_what_was_never_reached_is_in_no_order_and_said_so(claim):
    found = verdict(tampered("inception", "labels-1.0", steps_to_loss_0_1=None), claim)
    assert (found["verdict"], found["never_reached"]) == ("differs", True)
    assert ours_as_text(found) == "never reached"


@pytest.mark.parametrize("claim", ["table_1_inception_random_labels_test", "figure_1c_inception_end"])
@pytest.mark.parametrize(("train_accuracy", "expected"), [(None, "differs"), (0.49, "differs"), (0.5, "reproduced")])
def test_a_network_that_learned_nothing_shows_no_chance(claim, train_accuracy, expected):
    results = tampered("inception", "labels-1.0", train_accuracy=train_accuracy, diverged=True)
    found = verdict(results, claim)
    assert found["verdict"] == expected
    assert ("learned less than 50%" in str(found["data"])) == (expected == "differs")


def test_what_a_network_does_not_learn_without_a_regulariser_says_nothing_of_the_regulariser():
    results = faithful()
    plain = results["cifar10"]["alexnet"]["labels-1.0"]["plain"]["seed-0"]
    plain |= {"train_accuracy": 1.0}
    results["cifar10"]["alexnet"]["labels-1.0"]["weight_decay"] = {"seed-0": plain | {"train_accuracy": 0.1}}
    assert verdict(results, "table_4_alexnet_weight_decay")["verdict"] == "reproduced"
    plain |= {"train_accuracy": 0.2, "fitted": False}
    assert verdict(results, "table_4_alexnet_weight_decay")["verdict"] == "differs"


@pytest.mark.parametrize("missing", ["none", "labels-1.0"])
def test_no_ratio_of_times_holds_where_one_never_came(missing):
    claim = BY_ID["figure_1b_alexnet_slowdown"].model_copy(update={"at_most": None, "at_least": 1.0})
    assert judge(CLAIMS, claim, results_of(faithful()))["verdict"] == "reproduced"
    found = judge(CLAIMS, claim, results_of(tampered("alexnet", missing, epochs_to_fit=None)))
    assert found["verdict"] == "differs"


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ("theorem_1_fits", "theory/cifar10/expressivity/label_accuracy"),
        ("kernel_mnist_gabor_norm", "theory/mnist/kernel/gabor/true_labels/norm"),
        ("kernel_mnist_gabor_norm", "theory/mnist/kernel/pixels/true_labels/norm"),
        ("kernel_mnist_pixels", "theory/mnist/kernel/pixels/true_labels/test_error"),
    ],
)
def test_a_result_that_is_no_number_reproduces_nothing(claim, path):
    results = {"theory": {}}
    for each in chain(*BY_ID[claim].groups):
        section, dataset, *keys, name = each.split("/")
        found = results[section].setdefault(dataset, {})
        for key in keys:
            found = found.setdefault(key, {})
        size = DATASETS[dataset].train_size
        found |= {"dataset": dataset, "train_size": size, name: None if each == path else 1.0}
    found = verdict(results, claim)
    assert (found["verdict"], found["never_reached"], ours_as_text(found)) == ("differs", False, "no number")


def test_a_run_that_ended_when_it_fitted_says_nothing_of_what_it_had_not_reached():
    results = tampered("inception", "labels-1.0", steps_to_loss_0_1=None, ended_when_fitted=True)
    assert verdict(results, "figure_1a_labels_fits")["verdict"] == "not run"
    assert verdict(results, "table_1_inception_random_labels_train")["verdict"] == "reproduced"
    results = tampered("inception", "labels-1.0", steps_to_loss_0_1=None)
    assert verdict(results, "figure_1a_labels_fits")["verdict"] == "differs"


@pytest.mark.parametrize(("corruption", "verdict_on_test"), [("none", "not run"), ("labels-1.0", "reproduced")])
def test_a_run_that_ended_when_it_fitted_says_nothing_of_the_test_accuracy_but_at_chance(corruption, verdict_on_test):
    kind, level = kind_and_level(corruption)
    claim = {"none": "table_1_inception_plain", "labels-1.0": "table_1_inception_random_labels"}[corruption]
    results = tampered("inception", corruption, ended_when_fitted=True, kind=kind, level=level)
    assert verdict(results, f"{claim}_test")["verdict"] == verdict_on_test
    assert verdict(results, f"{claim}_train")["verdict"] == "reproduced"
    figure = {"none": "figure_1c_inception_start", "labels-1.0": "figure_1c_inception_end"}[corruption]
    assert verdict(results, figure)["verdict"] == verdict_on_test


@pytest.mark.parametrize("corruption", ["none", "labels-0.5", "labels-1.0"])
def test_times_to_fit_do_not_grow_where_one_of_them_never_came(corruption):
    found = verdict(tampered("alexnet", corruption, epochs_to_fit=None), "figure_1b_alexnet_grows")
    assert (found["verdict"], found["never_reached"]) == ("differs", True)


def test_a_part_of_the_training_set_says_nothing_about_the_whole():
    results = tampered("inception", "none", train_size=5000)
    assert verdict(results, "table_1_inception_plain_test")["verdict"] == "not run"
    # Nor is a run on a part compared with one on the whole, but runs on the same part are with each other.
    assert verdict(results, "figure_1a_true_labels_first")["verdict"] == "not run"
    for corruption in results["cifar10"]["inception"].values():
        corruption["plain"]["seed-0"]["train_size"] = 5000
    found = verdict(results, "figure_1a_true_labels_first")
    assert (found["verdict"], found["data"]) == ("reproduced", ["cifar10, 5,000 images"])


def test_a_verdict_says_in_which_arithmetic_where_it_was_not_float32():
    data = {
        p: verdict(tampered("inception", "none", precision=p), "table_1_inception_plain_test")["data"]
        for p in ("float32", "bf16")
    }
    assert data == {"float32": ["cifar10, 50,000 images"], "bf16": ["cifar10, 50,000 images, bf16"]}


def test_a_verdict_says_where_its_runs_were_made_or_ended_differently():
    alone = ["cifar10, 50,000 images"]
    results = tampered("inception", "none", origin="one")
    for corruption in results["cifar10"]["inception"].values():
        corruption["plain"]["seed-0"]["origin"] = "one"
    assert verdict(results, "figure_1a_true_labels_first")["data"] == alone
    results["cifar10"]["inception"]["none"]["plain"]["seed-0"] |= {"origin": "two", "ended_when_fitted": True}
    found = verdict(results, "figure_1a_true_labels_first")
    count = len(found["metric"])
    ended = f"1 of {count} runs ended as soon as they fitted"
    assert (found["verdict"], found["data"]) == ("reproduced", [*alone, "runs of one and two", ended])
    assert verdict(results, "table_1_inception_plain_train")["data"] == alone


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"train_size": 50_000}, "reproduced"),
        ({"train_size": 1000}, "not run"),
        ({}, "not run"),
        ({"train_size": 50_000, "dataset": None}, "not run"),
        ({"train_size": 50_000, "dataset": "mnist"}, "not run"),
        ({"train_size": 50_000, "dataset": "my_pictures"}, "not run"),
    ],
)
def test_the_whole_is_that_of_the_data_set_that_a_result_names(found, expected):
    result = {"dataset": "cifar10", "label_accuracy": 1.0} | found
    results = {"theory": {"cifar10": {"expressivity": result}}}
    assert verdict(results, "theorem_1_fits")["verdict"] == expected


def test_the_verdict_is_on_the_mean_and_several_seeds_give_an_interval():
    results = faithful()
    seeds = results["cifar10"]["inception"]["none"]["plain"]
    seeds |= {f"seed-{seed}": run(test, seed) for seed, test in ((1, 0.85), (2, 0.86))}
    found = verdict(results, "table_1_inception_plain_test")
    assert found["ours"] == pytest.approx((0.8575 + 0.85 + 0.86) / 3)
    assert found["interval"][0] < found["ours"] < found["interval"][1]
    assert (found["verdict"], found["seeds"]) == ("reproduced", 3)


def test_the_interval_is_students():
    # The two-sided 95% quantile of t with two degrees of freedom is 4.303.
    half = 4.302653 * 1.0 / math.sqrt(3)
    assert interval_of_mean([1.0, 2.0, 3.0]) == pytest.approx([2 - half, 2 + half], abs=1e-5)
    assert interval_of_mean([1.0]) is None
    assert interval_of_mean([1.0, math.inf]) is None


def test_gains_are_paired_by_seed():
    results = faithful()
    crops = {"seed-0": run(0.89), "seed-1": run(0.88, 1)}
    results["cifar10"]["inception"]["none"]["plain"]["seed-1"] = run(0.8475, 1)
    results["cifar10"]["inception"]["none"]["random_crop"] = crops
    found = verdict(results, "gain_random_crop")
    assert found["ours"] == pytest.approx(0.0325)
    assert found["interval"] == pytest.approx([0.0325, 0.0325])


def test_every_claim_of_table_1_is_there():
    rows = {(claim.source, claim.metric.rsplit("/")[-1]) for claim in CLAIMS.claims if claim.id.startswith("table_1_")}
    assert rows == {(f"table 1, row {n}", f"{s}_accuracy") for n in range(1, 20) for s in ("train", "test")}


TABLE_2_VALUES = [claim for claim in CLAIMS.claims if claim.id.startswith("table_2_") and claim.kind == "value"]
IMAGENET = [claim.id for claim in CLAIMS.claims if claim.groups[0][0].startswith("imagenet/")]


def test_every_claim_of_table_2_is_there():
    rows = [(claim.source, claim.metric.rsplit("/")[-1]) for claim in TABLE_2_VALUES]
    keys = [f"{split}_{top5}accuracy" for split in ("train", "test") for top5 in ("", "top5_")]
    assert sorted(rows) == sorted((f"table 2, row {n}", key) for n in range(1, 8) for key in keys)


def on_imagenet(**changes):
    """Results as table 2 has them."""
    size = {"dataset": "imagenet", "train_size": 1_281_167, "arch": "inception_v3", "seed": 0}
    corruptions = {}
    for row in TABLE_2:
        printed = {f"{part}_accuracy": getattr(row, part) for part in row._fields[3:] if getattr(row, part)}
        kind, level = kind_and_level(row.corruption)
        metrics = size | {"kind": kind, "level": level} | printed | changes
        corruptions.setdefault(row.corruption, {})[row.variant] = {"seed-0": metrics}
    return {"imagenet": {"inception_v3": corruptions}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "reproduced"),
        ({"train_size": 100_000}, "not run"),
        ({"dataset": "imagefolder"}, "not run"),
        ({"dataset": "imagefolder", "train_size": 20_000}, "not run"),
    ],
)
def test_the_papers_table_2_reproduces_its_claims_and_runs_in_small_say_nothing(changes, expected):
    results = on_imagenet(**changes)
    assert {verdict(results, claim)["verdict"] for claim in IMAGENET} == {expected}
    assert len(IMAGENET) == 34


def test_labels_of_imagenet_that_were_never_corrupted_and_a_run_without_a_fall_are_noticed():
    results = on_imagenet()
    plain = results["imagenet"]["inception_v3"]["labels-1.0"]["plain"]["seed-0"]
    plain |= {"test_accuracy": 0.0018, "test_top5_accuracy": 0.0071}
    differing = {claim for claim in IMAGENET if verdict(results, claim)["verdict"] == "differs"}
    assert differing == {"table_2_random_labels_plain_test", "table_2_random_labels_plain_test_top5"}
    results = on_imagenet(best_test_accuracy=0.6718)
    assert verdict(results, "figure_2a_weight_decay_early_stopping")["verdict"] == "differs"


def test_a_run_on_imagenet_that_ended_when_it_fitted_has_no_test_accuracy_of_either_kind():
    results = on_imagenet(ended_when_fitted=True)
    found = {claim.id: verdict(results, claim.id)["verdict"] for claim in TABLE_2_VALUES}
    true_labels = {claim for claim in found if "random_labels" not in claim}
    assert {claim for claim in found if found[claim] == "not run"} == {c for c in true_labels if "_test" in c}


VALID = """
tolerances: {close: {tolerance: 0.1, reason: as a test}}
claims:
- {id: a, statement: s, source: t, kind: value, metric: cifar10/alexnet/none/plain/epochs, paper: 1.0, tolerance: close}
"""
METRIC = "metric: cifar10/alexnet/none/plain/epochs"
TWO = "metrics: [theory/digits/norm, theory/mnist/norm]"


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("kind: value", "kind: valu", "claims.0.kind"),
        ("tolerance: close", "tolerance: near", "'near'; allowed: close"),
        (", paper: 1.0", "", "claim a: value needs paper"),
        (f"{METRIC}, ", "", "claim a: value needs 1 metric"),
        ("kind: value", "kind: ordering", "claim a: ordering needs 2 metrics"),
        (f"kind: value, {METRIC}", f"kind: monotone, {TWO[:-20]}]", "claim a: monotone needs 2 metrics"),
        (
            f"kind: value, {METRIC}",
            f"kind: bound, at_least: 1, reason: r, {TWO.replace('[', '[[')}]",
            "an ordering alone",
        ),
        (f"kind: value, {METRIC}", "kind: ordering, metrics: [[], [theory/mnist/norm]]", "of at least one metric each"),
        ("cifar10/", "cifar11/", "found the metric 'cifar11/alexnet/none/plain/epochs'; expected data set/"),
        ("/plain/", "/", "found the metric 'cifar10/alexnet/none/epochs'"),
        (METRIC, "metric: parameters/alexnet/more", "found the metric 'parameters/alexnet/more'"),
        ("kind: value", "kind: bound", "claim a: bound needs reason"),
        ("kind: value", "kind: bound, reason: r", "at_most or at_least"),
        ("kind: value", "kind: difference", "claim a: difference needs 2 metrics"),
        ("paper: 1.0", "paper: .nan", "claims.0.paper"),
        ("statement: s", "statment: s", "statment"),
    ],
)
def test_a_wrong_claim_is_refused_by_name(tmp_path, old, new, part):
    path = tmp_path / "claims.yaml"
    path.write_text(VALID)
    assert len(load_claims(path).claims) == 1
    path.write_text(VALID.replace(old, new, 1))
    with pytest.raises(UsageError, match=".") as error:
        load_claims(path)
    assert part in str(error.value)


def test_a_metric_that_is_no_number_is_named():
    path = "cifar10/inception/none/plain/test_accuracy"
    with pytest.raises(DataError, match=f"the metric {path} is 'high'"):
        verdict(tampered("inception", "none", test_accuracy="high"), "table_1_inception_plain_test")


def test_a_tampered_metric_file_turns_the_stages_verdict(tmp_path, run_stage):
    claims = str(tmp_path / "claims.yaml")
    (tmp_path / "claims.yaml").write_text(
        "tolerances: {chance: {tolerance: 0.012, reason: binomial}}\n"
        "claims:\n- {id: c, statement: Random labels test at chance, source: table 1, kind: value, "
        "metric: cifar10/alexnet/labels-1.0/plain/test_accuracy, paper: 0.0986, tolerance: chance}\n"
    )
    for results, expected in (
        (faithful(), "1 reproduced"),
        (tampered("alexnet", "labels-1.0", test_accuracy=0.86), "1 differs"),
    ):
        rows = [
            row_of(run.name, run.metrics | {"corruption": {"kind": "none", "level": 0.0, "seed": 0}})
            for run in results_of(results).grids["cifar10"]
        ]
        write_table(tmp_path / "metrics/cifar10/runs.csv", rows)
        for name in ("curves", "steps"):
            write_table(tmp_path / f"metrics/cifar10/{name}.csv", [{"run": row["run"], "x": 1} for row in rows])
        done = run_stage("claims", "--claims", claims, "--metrics", tmp_path / "metrics", "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert (tmp_path / "out/claims.md").read_text() == done.stdout


def test_a_folder_that_is_not_there_is_named(tmp_path, run_stage):
    done = run_stage("claims", "--claims", Path(__file__).parents[2] / "paper/claims.yaml", "--metrics", "metrisc")
    assert (done.returncode, done.stderr) == (2, "error: --metrics: no such folder 'metrisc'\n")
