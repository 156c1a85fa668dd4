import random

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from rethinking.core.errors import DataError
from rethinking.figures.curves import figure_1a, figure_1a_architectures, figure_2a, learned_first, memorisation
from rethinking.figures.levels import figure_1b, figure_1c, time_to_fit
from rethinking.figures.marks import ALL_IMAGES
from rethinking.figures.paper import FIGURES, draw_all, load_grids
from rethinking.figures.style import ARCHS, save, style
from rethinking.paper.claims import load_claims
from rethinking.paper.published import TABLE_1, TABLE_2
from rethinking.results.runs import load_runs
from tests.conftest import ROOT
from tests.results.made import ALL_RUNS, IMAGENET_RUNS, make_imagenet_run, make_run, write_grid


@pytest.fixture
def draw(tmp_path):
    """Draw a figure of runs made by make_run, through the files that the collectors write."""

    def run(figure, runs):
        write_grid(tmp_path / "grid", runs)
        style()
        return figure(load_runs(tmp_path / "grid"))

    yield run
    plt.close("all")


def marks(axes, arch):
    """The (x, y, is filled, is a cross) of every single mark of an architecture."""
    colour, _ = ARCHS[arch]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 1 and to_hex(line.get_color()) == colour]
    return [
        (
            line.get_xdata()[0],
            line.get_ydata()[0],
            to_hex(line.get_markerfacecolor()) == colour and line.get_marker() != "x",
            line.get_marker() == "x",
        )
        for line in lines
        if line.get_marker() not in ("*", "None")
    ]


def stars(axes):
    """The (x, y) of the paper's values."""
    lines = [line for line in axes.lines if line.get_marker() == "*" and len(line.get_xdata())]
    return [(line.get_xdata()[0], round(line.get_ydata()[0], 2)) for line in lines]


def connected(axes, arch):
    """The x of the points that the line of an architecture joins."""
    colour, _ = ARCHS[arch]
    lines = [line for line in axes.lines if len(line.get_xdata()) > 1 and to_hex(line.get_color()) == colour]
    return {x for line in lines for x in line.get_xdata()}


LABELS = [("alexnet", "none", {}), ("alexnet", "labels-0.5", {}), ("alexnet", "labels-1.0", {"epochs_to_fit": None})]


def test_a_run_that_never_fitted_is_an_open_mark_at_its_epochs_that_no_line_joins(draw):
    figure = draw(time_to_fit, [make_run(arch, corruption, **changes) for arch, corruption, changes in LABELS])
    axes = figure.axes[0]
    assert marks(axes, "alexnet") == [(0.0, 16, True, False), (0.5, 32, True, False), (1.0, 64, False, False)]
    assert connected(axes, "alexnet") == {0.0, 0.5}
    assert len([text for text in axes.texts if getattr(text, "arrow_patch", None)]) == 1
    assert "not fitted (< 99.9%)" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_slowdown_is_relative_to_true_labels_with_the_same_seed(draw):
    runs = [make_run(a, c, seed=s, **changes) for a, c, changes in LABELS for s in (0, 4)]
    points = marks(draw(figure_1b, runs).axes[0], "alexnet")
    assert [(x, round(y, 3), filled) for x, y, filled, _ in points] == [
        (0.0, 1.0, True),
        (0.0, 1.0, True),
        (0.5, 2.0, True),
        (0.5, round(36 / 20, 3), True),
        (1.0, 4.0, False),
        (1.0, round(64 / 20, 3), False),
    ]


def test_without_a_fitted_run_on_true_labels_there_is_no_slowdown_to_show(draw):
    runs = [make_run("alexnet", "none", epochs_to_fit=None), make_run("alexnet", "labels-0.5")]
    axes = draw(figure_1b, runs).axes[0]
    assert marks(axes, "alexnet") == []
    words = " ".join(text.get_text() for text in axes.texts)
    assert "no fitted run on true labels to compare with: AlexNet" in words
    assert "not run" in words


def test_a_diverged_run_is_a_cross(draw):
    runs = [make_run("inception", "none"), make_run("inception", "labels-1.0", diverged=True)]
    for figure in (time_to_fit, figure_1c):
        crosses = [(x, cross) for x, _, _, cross in marks(draw(figure, runs).axes[0], "inception")]
        assert crosses == [(0.0, False), (1.0, True)]


def test_seeds_make_a_band_from_the_smallest_to_the_largest(draw):
    runs = [make_run("alexnet", corruption, seed=seed) for corruption, seed in (("none", 0), ("none", 6))]
    runs += [make_run("alexnet", "labels-0.5", seed=seed) for seed in (0, 6)]
    (band,) = draw(time_to_fit, runs).axes[0].collections
    corners = {tuple(point) for path in band.get_paths() for point in path.vertices.tolist()}
    assert {(0.0, 16.0), (0.0, 22.0), (0.5, 32.0), (0.5, 38.0)} <= corners


def test_the_line_is_the_mean_at_every_level_also_where_fewer_seeds_ran(draw):
    runs = [make_run("alexnet", c, seed=0) for c in ("none", "labels-0.5", "labels-1.0")]
    runs += [make_run("alexnet", "none", seed=6)]
    axes = draw(time_to_fit, runs).axes[0]
    (line,) = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert list(zip(line.get_xdata(), line.get_ydata(), strict=True)) == [(0.0, 19.0), (0.5, 32.0), (1.0, 48.0)]


def test_the_papers_values_stand_at_both_ends_of_figure_1c(draw):
    figure = draw(figure_1c, [make_run("inception", "none")])
    expected = {(0.0, 14.25), (1.0, 90.22), (0.0, 23.93), (0.0, 49.49), (1.0, 89.39)}
    assert expected <= set(stars(figure.axes[0]))


def test_every_row_of_table_1_has_its_value_and_says_when_it_has_not_run(draw):
    figure = draw(FIGURES["table_1"].draw, [make_run("mlp_1x512", "none")])
    test = figure.axes[0]
    assert [x for x, _ in stars(test)] == pytest.approx([100 * row.test for row in TABLE_1])
    assert [text.get_text() for text in test.texts].count("not run") == len(TABLE_1) - 1


def test_figure_1a_has_the_papers_axis_and_anothers_steps_but_not_where_all_runs_are_on_a_part_of_the_images(draw):
    part = {"train_size": 5000, "steps": 2000}
    small = [make_run("inception", corruption, **part) for corruption in ("none", "labels-1.0")]
    for runs, last, triangles in ((small, 2.0, 0), ([*small, make_run("inception", "gaussian")], 25.0, 5)):
        (axes,) = draw(figure_1a, runs).axes
        assert axes.get_xlim() == (0.0, last)
        assert len([line for line in axes.lines if line.get_marker() == "v" and len(line.get_xdata())]) == triangles


def test_what_did_not_fit_and_what_did_not_run_stands_between_the_titles_and_the_panels(draw):
    archs = ("inception_nobn", "alexnet", "mlp_1x512")
    runs = [make_run(a, c, epochs_to_fit=None) for a in archs for c in ("none", "shuffled_pixels", "random_pixels")]
    figure = draw(figure_1a_architectures, runs)
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    texts = [axes.texts[0].get_window_extent() for axes in figure.axes]
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    for box, text, title in zip(boxes, texts, titles, strict=True):
        assert box.y1 < text.y1 <= title.y0
        assert box.width * 1.15 > text.width
    assert not texts[0].overlaps(texts[1])
    assert "not fitted: true labels" in figure.axes[0].texts[0].get_text()


def test_figure_2a_counts_steps_of_32_images_and_shades_up_to_the_best_so_far(draw):
    sizes = {"plain": 1024, "weight_decay": 512}
    runs = [make_imagenet_run("none", variant, batch_size=size, epochs=10) for variant, size in sizes.items()]
    figure = draw(figure_2a, [*runs, make_imagenet_run("none", "augmentation"), make_imagenet_run("labels-1.0")])
    (axes,) = figure.axes
    assert sorted(stars(axes)) == [(320.0, 67.18), (640.0, 59.80)]
    (plain,) = [line for line in axes.lines if line.get_label() == "no regulariser"]
    accuracy = [100 * row["test_accuracy"] for row in runs[0][3]]
    assert plain.get_ydata().tolist() == pytest.approx(accuracy, abs=0.001)
    assert plain.get_xdata().tolist() == [64.0 * epoch for epoch in range(1, 11)]
    best = max(accuracy)
    assert accuracy[-1] < best
    shades = [path.vertices for shade in axes.collections for path in shade.get_paths() if len(path.vertices)]
    assert [640.0, pytest.approx(best, abs=0.001)] in shades[-1].tolist()


def test_every_row_of_table_2_has_its_four_values_and_says_when_it_has_not_run(draw):
    figure = draw(FIGURES["table_2"].draw, [make_imagenet_run("labels-1.0", "weight_decay", epochs_to_fit=None)])
    for axes, part in zip(figure.axes, ("test", "test_top5", "train", "train_top5"), strict=True):
        assert [x for x, _ in stars(axes)] == pytest.approx([100 * getattr(row, part) for row in TABLE_2])
        assert [text.get_text() for text in axes.texts].count("not run") == len(TABLE_2) - 1
        ((_, height, filled, _),) = marks(axes, "inception_v3")
        assert (height, filled) == (5, False)


def test_runs_on_imagenet_in_small_are_drawn_alone_and_told_from_the_papers(tmp_path):
    small = {"dataset": "imagefolder", "train_size": 20_000, "batch_size": 64}
    write_grid(tmp_path / "small", [make_imagenet_run(*run[1:], **small) for run in IMAGENET_RUNS])
    draw_all({"imagenet": load_runs(tmp_path / "small")}, tmp_path / "plots")
    files = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert files == ["figure_2a.png", "figure_2a.svg", "table_2.png", "table_2.svg"]
    figure = figure_2a(load_runs(tmp_path / "small"))
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "imagefolder, 20,000 training images" in words
    assert "ImageNet" not in words
    assert not any(stars(axes) for axes in figure.axes)
    plt.close(figure)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [1, 9, 40])
def test_any_subset_of_the_runs_can_be_drawn(tmp_path, number):
    chosen = random.Random(number).sample(ALL_RUNS, number)
    endings = [{}, {"epochs_to_fit": None}, {"diverged": True}]
    write_grid(tmp_path / "metrics/cifar10", [make_run(*r, **endings[i % 3]) for i, r in enumerate(chosen)])
    imagenet = random.Random(number).sample(IMAGENET_RUNS, min(number, 7))
    made = [make_imagenet_run(*run[1:], **endings[i % 3]) for i, run in enumerate(imagenet)]
    write_grid(tmp_path / "metrics/imagenet", made)
    grids = load_grids(tmp_path / "metrics")
    style()
    for figure in FIGURES.values():
        drawn = figure.draw(*(grids[grid] for grid in figure.grids))
        drawn.draw_without_rendering()
        assert all(axes.get_position().height > 0.1 for axes in drawn.axes)
        plt.close(drawn)


def test_a_panel_without_runs_says_so(draw):
    for name, figure in FIGURES.items():
        drawn = figure.draw(*([] for _ in figure.grids))
        words = [text.get_text() for axes in drawn.axes for text in axes.texts]
        assert "not run" in words, name
        plt.close(drawn)


def test_random_labels_alone_are_not_shown_beside_others_as_they_have_no_true_ones(draw):
    runs = [make_run("alexnet", "labels-0.4"), make_run("mlp_1x512", "labels-1.0")]
    titles = [[axes.get_title() for axes in draw(learned_first, some).axes] for some in (runs, runs[1:])]
    assert titles == [["AlexNet, 40% of labels random"], ["MLP 1x512, 100% of labels random"]]


def test_given_labels_are_drawn_as_random_ones_are_though_they_have_no_level(draw):
    runs = [make_run("alexnet", "given"), make_run("mlp_1x512", "labels-0.5"), make_run("mlp_1x512", "none")]
    given, random = draw(memorisation, runs).axes
    assert (given.get_title(), random.get_title()) == ("AlexNet, given labels", "MLP 1x512, 50% of labels random")
    assert len(given.lines) == len(random.lines) >= 2


def test_a_panel_names_the_corruptions_that_have_not_run(draw):
    figure = draw(figure_1a_architectures, [make_run("alexnet", corruption) for corruption in ("none", "gaussian")])
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == ["not run: random labels, shuffled pixels, random pixels"]


def test_the_numbers_of_others_are_told_from_those_of_a_subset(draw):
    def notes(figure, **changes):
        drawn = draw(figure, [make_run("inception", "none", **changes)])
        return " ".join(text.get_text() for text in drawn.findobj(Text))

    all_images = ALL_IMAGES.format(50_000)
    assert all_images in notes(figure_1c, train_size=5000)
    assert all_images not in notes(figure_1a, train_size=5000)  # which then shows none
    assert all_images not in notes(figure_1c)
    assert all_images not in notes(time_to_fit, train_size=5000)  # which shows no numbers of others


def test_the_stage_draws_every_figure_with_the_same_bytes_in_another_process(tmp_path, run_stage):
    names = ("inception", "none"), ("inception", "gaussian"), ("alexnet", "none")
    write_grid(tmp_path / "metrics/cifar10", [make_run(*name, seed=seed) for name in names for seed in (0, 1)])
    assert run_stage("plot_paper", "--out", "stage").returncode == 0
    files = sorted(path.name for path in (tmp_path / "stage").iterdir())
    assert files == sorted(f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg"))
    runs = load_runs(tmp_path / "metrics/cifar10")
    style()
    for name in ("figure_1a", "figure_1b", "figure_2b", "table_4"):
        save(FIGURES[name].draw(runs), tmp_path / "here" / name)
    for path in (tmp_path / "here").iterdir():
        assert path.read_bytes() == (tmp_path / "stage" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("table", "text", "words"),
    [
        ("curves", "run,epoch\nalexnet-none-plain-1,1\n", "'alexnet-none-plain-0' has no curves"),
        ("steps", "step\n1\n", "steps.csv has no column 'run'"),
    ],
)
def test_curves_that_are_missing_are_named(tmp_path, table, text, words):
    write_grid(tmp_path / "cifar10", [make_run("alexnet", "none")])
    (tmp_path / f"cifar10/{table}.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        load_grids(tmp_path)


def test_metrics_that_lack_a_key_are_named(tmp_path):
    run = make_run("alexnet", "none")
    del run[2]["epochs_to_fit"]
    write_grid(tmp_path / "cifar10", [run])
    with pytest.raises(DataError, match=r"runs.csv has no 'epochs_to_fit'"):
        load_grids(tmp_path)


@pytest.mark.parametrize(
    ("grid", "table", "parts"),
    [
        ("cifar10", TABLE_1, ("train", "test")),
        ("imagenet", TABLE_2, ("train", "train_top5", "test", "test_top5")),
    ],
)
def test_the_figures_marks_and_the_claims_have_the_same_numbers(grid, table, parts):
    claims = {claim.metric: claim.paper for claim in load_claims(ROOT / "paper/claims.yaml").claims}
    for row in table:
        path = f"{grid}/{row.arch}/{row.corruption}/{row.variant}"
        for part in parts:
            assert claims[f"{path}/{part}_accuracy"] == getattr(row, part)
