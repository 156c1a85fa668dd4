"""Made-up results of the whole grid in the collectors' format, plausible enough to look at, the same every time."""

import math
from pathlib import Path

from rethinking.core.files import write_json
from rethinking.core.run_name import RunName
from rethinking.core.tables import write_table
from rethinking.paper.names import GRIDS
from rethinking.paper.published import TABLE_2
from rethinking.paper.verdicts import Results
from rethinking.results.runs import Run, row_of

PARAMETERS = {
    "inception": 1_649_402,
    "inception_nobn": 1_649_402,
    "alexnet": 1_387_786,
    "mlp_3x512": 1_735_178,
    "mlp_1x512": 1_209_866,
    "wrn_28_1": 369_498,
    "inception_v3": 23_817_352,
    "inception_v3_auxiliary": 27_143_152,
}
TEST = {"inception": 0.86, "inception_nobn": 0.82, "alexnet": 0.76, "mlp_3x512": 0.52, "mlp_1x512": 0.51}
FIT = {"inception": 9, "inception_nobn": 14, "alexnet": 16, "mlp_3x512": 22, "mlp_1x512": 28, "wrn_28_1": 20}
FIT |= {"inception_v3": 30}
PIXELS = ("shuffled_pixels", "random_pixels", "gaussian")
TENTHS = [f"labels-{tenth / 10}" for tenth in range(1, 11)]
FIFTHS = TENTHS[1::2]
ALL_RUNS = (
    [(a, c, "plain") for a in ("inception", "alexnet", "mlp_1x512", "mlp_3x512") for c in ("none", *TENTHS, *PIXELS)]
    + [("wrn_28_1", c, "plain") for c in ("none", *FIFTHS)]
    + [("inception_nobn", c, "plain") for c in ("none", "labels-0.2", "labels-0.4", "labels-1.0", *PIXELS)]
    + [("inception", c, v) for c in ("none", "labels-1.0") for v in ("batch_size-32", "batch_size-64")]
    + [("inception", "none", v) for v in ("random_crop", "weight_decay", "random_crop+weight_decay")]
    + [("alexnet", "none", v) for v in ("random_crop", "weight_decay", "random_crop+weight_decay")]
    + [(arch, "none", "weight_decay") for arch in ("inception_nobn", "mlp_3x512", "mlp_1x512")]
    + [(arch, "labels-1.0", "weight_decay") for arch in tuple(FIT)[:5]]
    + [("inception", "labels-1.0", v) for v in ("random_crop", "augmentation")]
)
CIFAR100_RUNS = [("wrn_28_1", corruption, "plain") for corruption in ("none", "labels-0.5", "labels-1.0")]
IMAGENET_RUNS = [row[:3] for row in TABLE_2]
MNIST_RUNS = [("mlp_1x512", corruption, "plain") for corruption in ("none", "labels-1.0")]


def make_run(arch, corruption, variant="plain", seed=0, epochs=64, **changes):
    """Metrics, epochs and steps of one run; `epochs_to_fit=None` makes one that never fits, `diverged=True` another."""
    kind, _, text = corruption.partition("-")
    level = float(text or 0)
    noise = {"labels": level, "random_pixels": 0.6, "gaussian": 0.5, "shuffled_pixels": 0.2}.get(kind, 0.0)
    of_labels = kind in ("labels", "given")
    fit = changes.pop("epochs_to_fit", round(FIT[arch] * (1 + 2 * noise) + seed))
    fit = fit if fit is None or fit <= epochs else None
    diverged = changes.get("diverged", False)
    chance = 1 / 10
    clean_test = TEST.get(arch, 0.86) + 0.003 * math.sin(seed)
    test = chance + (clean_test - chance) * (1 - level) ** 1.3 if kind in ("none", "labels") else 0.4
    rows, windows = [], []
    for epoch in range(1, (6 if diverged else epochs) + 1):
        progress = 1 - math.exp(-5 * epoch / (fit or 4 * epochs))
        train = min(1.0, chance + 0.9 * progress * 1.007)
        if fit is not None and epoch >= fit:
            train = 1.0
        peak = 1 + 0.6 * level * math.exp(-((epoch - 6) ** 2) / 30)
        loss = None if diverged and epoch == 6 else 2.302 * (1 - progress) + 0.002
        rows.append(
            {
                "epoch": epoch,
                "step": 391 * epoch,
                "lr": 0.1 * 0.95**epoch,
                "minibatch_loss": loss,
                "train_loss": loss,
                "train_accuracy": train,
                "test_loss": 2.0,
                "test_accuracy": min(0.95, test * (1 - math.exp(-epoch / 2)) * peak + 0.01 * math.sin(3 * epoch)),
                "clean_subset_accuracy": min(1.0, train**0.5) if of_labels else train,
                "corrupted_subset_accuracy": train**2 if of_labels else None,
                "recovered_true_accuracy": 0.6 * (1 - level) * math.exp(-epoch / 12) if of_labels else None,
            }
        )
        windows += [
            {"step": 391 * (epoch - 1) + offset, "loss": None if loss is None else loss + 0.02 * math.sin(offset)}
            for offset in (100, 200, 300, 391)
        ]
    last = rows[-1]
    best = max(rows, key=lambda row: row["test_accuracy"])
    metrics = {
        "arch": arch,
        "dataset": "cifar10-jpeg",
        "corruption": {"kind": kind, "level": level, "seed": 0},
        "seed": seed,
        "parameters": PARAMETERS[arch],
        "train_size": 50_000,
        "test_size": 10_000,
        "epochs": len(rows),
        "steps": last["step"],
        **{key: last[key] for key in ("train_accuracy", "train_loss", "test_accuracy", "test_loss")},
        "fitted": fit is not None and not diverged,
        "epochs_to_fit": None if diverged else fit,
        "steps_to_loss_0_1": None,
        "steps_to_loss_0_01": None,
        "best_test_accuracy": best["test_accuracy"],
        "best_test_epoch": best["epoch"],
        **{key: last[key] for key in ("clean_subset_accuracy", "corrupted_subset_accuracy", "recovered_true_accuracy")},
        "diverged": diverged,
        **changes,
    }
    return f"{arch}-{corruption}-{variant}-{seed}", (arch, corruption, variant), metrics, rows, windows


def make_imagenet_run(corruption, variant="plain", **changes):
    """A run of Inception V3 on ImageNet as `make_run` makes it, with top-5 accuracies and 2,000 steps an epoch."""
    size = {"dataset": "imagenet", "train_size": 1_281_167, "test_size": 50_000, "batch_size": 1024}
    name, place, metrics, rows, windows = make_run("inception_v3", corruption, variant, **size | changes)
    for row in rows:
        row["step"] = 2000 * row["epoch"]
        row |= {f"{part}_top5_accuracy": row[f"{part}_accuracy"] ** 0.4 for part in ("train", "test")}
    metrics["steps"] = rows[-1]["step"]
    for key in ("train", "test", "best_test"):
        metrics[f"{key}_top5_accuracy"] = metrics[f"{key}_accuracy"] ** 0.4
    return name, place, metrics, rows, windows


def write_grid(folder: Path, runs) -> None:
    """Write runs.csv, curves.csv and steps.csv of runs made by `make_run`."""
    write_table(folder / "runs.csv", [row_of(RunName.parse(name), metrics) for name, _, metrics, *_ in runs])
    for place, table in ((3, "curves"), (4, "steps")):
        write_table(folder / f"{table}.csv", [{"run": made[0], **row} for made in runs for row in made[place]])


def results_of(nested) -> Results:
    """Results nested by grid, architecture, corruption, variant and, below `seed-N` or without seeds, metrics."""
    grids, audits = {}, {}
    for grid in GRIDS:
        archs = dict(nested.get(grid, {}))
        audits[grid] = archs.pop("audits", {})
        grids[grid] = [
            Run(RunName(arch, corruption, variant, run.get("seed")), run, None, None)
            for arch, corruptions in archs.items()
            for corruption, variants in corruptions.items()
            for variant, metrics in variants.items()
            for run in ([metrics] if "seed" in metrics else metrics.values())
        ]
    return Results(grids, audits, nested.get("theory", {}), nested.get("parameters", {}))


def write_metrics(folder: Path, seeds=(0,)) -> None:
    """Everything: the paper's grid with a few runs that never fit or diverge, CIFAR-100, MNIST, ImageNet and claims."""
    changes = {
        ("alexnet", "labels-1.0", "weight_decay"): {"epochs_to_fit": None},
        ("alexnet", "labels-0.9", "plain"): {"epochs_to_fit": None},
        ("mlp_1x512", "labels-1.0", "plain"): {"epochs_to_fit": None},
        ("inception_nobn", "random_pixels", "plain"): {"diverged": True},
    }
    runs = [make_run(*run, seed=seed, **changes.get(run, {})) for run in ALL_RUNS for seed in seeds]
    write_grid(folder / "cifar10", runs)
    cifar100 = [make_run(*run, seed=seed, dataset="cifar100") for run in CIFAR100_RUNS for seed in seeds]
    write_grid(folder / "cifar100", cifar100)
    mnist_sizes = {"dataset": "mnist", "train_size": 60_000}
    write_grid(folder / "mnist", [make_run(*run, seed=seed, **mnist_sizes) for run in MNIST_RUNS for seed in seeds])
    imagenet = [make_imagenet_run(*run[1:], seed=seed, epochs_to_fit=None) for run in IMAGENET_RUNS for seed in seeds]
    write_grid(folder / "imagenet", imagenet)
    write_json(folder / "claims.json", claims())
    write_json(folder / "parameters.json", PARAMETERS)
    write_json(folder / "cifar10/audits.json", {"labels-0.5": {"changed": 0.4503}})


def claims():
    """Claims of several kinds, with every verdict."""
    inception = "cifar10/inception/none/plain"

    def claim(identifier, statement, source, paper, ours, verdict, metric, **others):
        return {
            "id": identifier,
            "statement": statement,
            "source": source,
            "kind": "value",
            "paper": paper,
            "tolerance": 0.02,
            "reason": "settings that the paper does not state",
            "metric": metric if isinstance(metric, list) else [metric],
            "ours": ours,
            "interval": None,
            "verdict": verdict,
            "data": ["cifar10-jpeg, 50,000 images"],
            **others,
        }

    return [
        claim("parameters_inception", "Inception has 1,649,402 parameters", "table 1, column # params", 1649402.0,
              1649402.0, "reproduced", "parameters/inception", tolerance=0, data=[]),
        claim("changed_0_5", "Level 0.5 changes 45% of the labels", "section 2.1", 0.45, 0.4503, "reproduced",
              "cifar10/audits/labels-0.5/changed"),
        claim("table_1_inception_test", "Inception reaches 85.75% on the test set", "table 1, row 4", 0.8575, 0.8512,
              "reproduced", f"{inception}/test_accuracy", interval=[0.848, 0.854]),
        claim("table_1_alexnet_test", "AlexNet reaches 76.07% on the test set", "table 1, row 12", 0.7607, 0.7011,
              "differs", "cifar10/alexnet/none/plain/test_accuracy"),
        claim("figure_1a_order", "True labels are fitted first <b>&", "figure 1a", None, 1600.0, "reproduced",
              [f"{inception}/steps_to_loss_0_1", "cifar10/inception/gaussian/plain/steps_to_loss_0_1",
               "cifar10/inception/labels-1.0/plain/steps_to_loss_0_1"], kind="ordering", tolerance=None),
        claim("figure_1b_bound", "Random labels take at most 4 times as long", "figure 1b", "at most 4", 2.94,
              "reproduced", ["cifar10/inception/labels-1.0/plain/epochs_to_fit", f"{inception}/epochs_to_fit"],
              kind="ratio", tolerance=None),
        claim("mlp_fits", "MLP 1x512 fits random labels within 100 epochs", "table 1", "at most 100", None, "differs",
              "cifar10/mlp_1x512/labels-1.0/plain/epochs_to_fit", kind="bound", never_reached=True),
        claim("table_4_augmentation", "Augmentation does not stop the fit", "table 4, row 6", 0.9928, None, "not run",
              "cifar10/inception/labels-1.0/augmentation/train_accuracy", data=[]),
    ]  # fmt: skip
