import re
import shutil
from fnmatch import fnmatchcase
from html.parser import HTMLParser

import pytest
from dvc.repo import Repo

from rethinking.core import config
from rethinking.core.files import read_json, write_json
from rethinking.core.run_name import RunName
from rethinking.figures.paper import FIGURES, draw_all, load_grids
from rethinking.paper.claims import load_claims
from rethinking.paper.text import as_text
from rethinking.paper.verdicts import VERDICTS, is_of_imagenet, judge
from rethinking.report.page import build_page
from rethinking.report.rows import Links, Rows
from rethinking.report.theory import PICTURES, TREND
from stages.claims import read_results
from stages.report import targets
from tests.conftest import ROOT
from tests.results.made import claims, make_imagenet_run, make_run, results_of, write_grid, write_metrics

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page with their attributes, its visible text, and whether its tags nest."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


TARGETS = {("cifar10", RunName("inception", "none", "plain", 0)): "paper/dvc.yaml:figure_1@inception-none-plain-0"}


def html_of(folder, targets=TARGETS):
    return build_page(folder / "metrics", folder / "plots", folder / "report.html", targets)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_metrics(folder / "metrics")
    draw_all(load_grids(folder / "metrics"), folder / "plots/paper")
    return folder


@pytest.fixture(scope="module")
def html(results):
    return html_of(results)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_is_whole_and_small(html, page):
    assert html.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert len(html.encode()) < 5e6


def test_nothing_is_loaded_from_elsewhere_and_the_only_script_is_the_pages_own(html, page):
    assert not re.search(r"https?://|url\(|@import|import\(|fetch\(|XMLHttp", html)
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    assert page.all("script") == [{}]
    sources = [value for _, a in page.elements for key, value in a.items() if key in ("src", "srcset", "data")]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]


def test_every_figure_is_shown_with_words_in_its_place(page):
    images = page.all("img")
    assert [image["alt"] for image in images] == [figure.title for figure in FIGURES.values()]
    assert all(figure.caption in page.text for figure in FIGURES.values())


def test_ids_are_unique_and_the_contents_lead_to_them(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    inner = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert inner <= set(ids)
    assert {name.replace("_", "-") for name in FIGURES} <= inner


def test_every_other_link_is_a_relative_path_to_a_file_that_exists(page, results):
    outer = {a["href"] for a in page.all("a") if not a["href"].startswith("#")}
    assert "metrics/mnist/runs.csv" in outer
    for href in outer:
        assert not href.startswith("/")
        assert (results / href).is_file(), href


def test_links_are_relative_to_the_page_wherever_it_lies(results):
    out = results / "some/where/report.html"
    page = Page(build_page(results / "metrics", results / "plots", out, {}))
    outer = {a["href"] for a in page.all("a") if not a["href"].startswith("#")}
    assert all((out.parent / href).resolve().is_file() or href.startswith("../../metrics/") for href in outer)


def rows_of_claims(html):
    """The text of the row of each claim by its id, and the links in it."""
    rows = re.findall(r'<tr id="claim-(\w+)"[^>]*>(.*?)</tr>', html, re.DOTALL)
    return {identifier: Page(f"<table><tr>{row}</tr></table>") for identifier, row in rows}


def test_every_claim_stands_with_its_source_data_and_verdict(html):
    rows = rows_of_claims(html)
    assert list(rows) == [claim["id"] for claim in claims()]
    for claim in claims():
        data = [text.replace("cifar10-jpeg", "JPEG copy of CIFAR-10") for text in claim["data"]]
        for part in (claim["statement"], claim["source"], *data):
            assert part in rows[claim["id"]].text
        assert rows[claim["id"]].text.endswith(claim["verdict"])


def test_claims_with_a_verdict_come_before_those_that_wait_for_a_run(tmp_path):
    write_json(tmp_path / "metrics/claims.json", claims()[::-1])  # begins with one that has not run
    html = html_of(tmp_path)
    assert list(rows_of_claims(html)) == [claim["id"] for claim in [*claims()[-2::-1], claims()[-1]]]
    assert html.count("Claims without a verdict yet") == 1
    write_json(tmp_path / "metrics/claims.json", claims()[:-1])
    assert "Claims without a verdict" not in html_of(tmp_path)


def test_the_numbers_of_claims_are_written_for_people_and_linked(html):
    rows = rows_of_claims(html)
    expected = {
        "parameters_inception": ("1,649,402 1,649,402 reproduced", "metrics/parameters.json"),
        "changed_0_5": ("45.00% 45.03% reproduced", "metrics/cifar10/audits.json"),
        "table_1_inception_test": ("85.75% 85.12% 84.80% to 85.40% reproduced", "metrics/cifar10/runs.csv"),
        "table_1_alexnet_test": ("76.07% 70.11% differs", "metrics/cifar10/runs.csv"),
        "figure_1a_order": ("– smallest gap 1,600 reproduced", "metrics/cifar10/runs.csv"),
        "figure_1b_bound": ("at most 4 2.94 reproduced", "metrics/cifar10/runs.csv"),
        "mlp_fits": ("at most 100 never reached differs", "metrics/cifar10/runs.csv"),
    }
    for identifier, (text, href) in expected.items():
        assert rows[identifier].text.endswith(text)
        assert [link["href"] for link in rows[identifier].all("a")] == [href]
    assert rows["table_4_augmentation"].text.endswith("99.28% – not run")
    assert not rows["table_4_augmentation"].all("a")


def test_a_claim_of_the_theory_links_to_the_metrics_of_its_data_set(tmp_path):
    metric = "theory/mnist/kernel/pixels/true_labels/test_error"
    write_json(tmp_path / "metrics/claims.json", [claims()[2] | {"metric": [metric]}])
    (row,) = rows_of_claims(html_of(tmp_path)).values()
    assert [link["href"] for link in row.all("a")] == ["metrics/theory/mnist/summary.json"]


def test_a_claim_shows_the_command_for_its_runs(results):
    names = [f"inception-{c}-plain-{s}" for c in ("none", "gaussian", "labels-1.0") for s in (0, 1)]
    blocks = {
        ("cifar10", RunName.parse(n)): f"paper/dvc.yaml:{'pixels' if 'gaussian' in n else 'figure_1'}@{n}"
        for n in names
    }
    rows = rows_of_claims(html_of(results, blocks))
    assert "dvc repro --glob 'paper/dvc.yaml:figure_1@inception-none-plain-*' " in rows["table_1_inception_test"].text
    of_both = "'paper/dvc.yaml:figure_1@inception-labels-1.0-plain-*' 'paper/dvc.yaml:figure_1@inception-none-plain-*' "
    assert f"dvc repro --glob {of_both}" in rows["figure_1b_bound"].text
    three = [f"'{blocks['cifar10', RunName.parse(name)][:-1]}*'" for name in (names[0], names[2], names[4])]
    assert f"dvc repro --glob {' '.join(three)} " in rows["figure_1a_order"].text
    assert "dvc repro paper/dvc.yaml:parameters " in rows["parameters_inception"].text
    assert "dvc repro paper/dvc.yaml:corrupt@labels-0.5 " in rows["changed_0_5"].text


@pytest.mark.parametrize("small", [False, True])
def test_the_command_of_every_claim_makes_what_the_claim_is_read_from_and_no_other_network(tmp_path, small):
    known = load_claims(ROOT / "paper/claims.yaml")
    files = [ROOT / "paper/params.yaml", ROOT / "paper/small.yaml"][: 1 + small]
    rows = Rows({}, Links(tmp_path, tmp_path), targets(config.paper(*files), small), small)
    with Repo(str(ROOT)) as repo:
        every = [stage.addressing for stage in repo.index.stages]
    without = set()
    for claim in known.claims:
        verdict = judge(known, claim, results_of({}))
        wanted = rows.claim(verdict)["command"].removeprefix("dvc repro ").removeprefix("--glob ").split()
        if not wanted:
            without.add(claim.id)
            continue
        if verdict["metric"][0].startswith("imagenet/"):
            assert wanted == ["imagenet/dvc.yaml:evaluate"]
            assert wanted[0] in every
            continue
        made = [[stage for stage in every if fnmatchcase(stage, target.strip("'"))] for target in wanted]
        assert all(made), claim.id
        names = {re.sub(r"-\d+$", "", stage.partition("@")[2]) for found in made for stage in found}
        trained = {name.split("-")[0] for name in names}
        if re.match("(cifar10|cifar100|mnist)/(?!audits)", verdict["metric"][0]):
            assert trained == {path.split("/")[1] for path in verdict["metric"]}, claim.id
            assert names >= {"-".join(path.split("/")[1:4]) for path in verdict["metric"]}, claim.id
    of_the_whole = {"batch_size_64_mlp_1x512", "cifar100_random_fits", "cifar100_random_chance", "mnist_random_harder"}
    assert without == (of_the_whole if small else set())


def test_text_from_metrics_is_escaped(tmp_path, results):
    bad = claims()
    bad[0]["statement"] = '<script>alert("1")</script>'
    write_json(tmp_path / "metrics/claims.json", bad)
    run = make_run("inception", "none", dataset='"><img src=x>')
    write_grid(tmp_path / "metrics/cifar10", [run])
    page = Page(html_of(tmp_path))
    assert page.all("script") == [{}]
    assert not page.all("img")
    assert '<script>alert("1")</script>' in page.text
    assert '"><img src=x>' in page.text


def test_rows_say_their_data_their_outcome_and_the_command(tmp_path):
    runs = [
        make_run("inception", "none", train_size=5000),
        make_run("mlp_1x512", "labels-1.0", epochs_to_fit=None, precision="bf16"),
        make_run("alexnet", "none", seed=0, dataset="cifar10"),
        make_run("alexnet", "none", seed=1, dataset="cifar10"),
    ]
    write_grid(tmp_path / "metrics/cifar10", runs)
    alexnet = [f"alexnet-none-plain-{seed}" for seed in (0, 1)]
    stages = TARGETS | {("cifar10", RunName.parse(name)): f"paper/dvc.yaml:figure_1@{name}" for name in alexnet}
    text = Page(html_of(tmp_path, stages)).text
    assert "JPEG copy of CIFAR-10, 5,000 training images only" in text
    assert "JPEG copy of CIFAR-10, in bf16" in text
    assert "CIFAR-10: official CIFAR-10 AlexNet 0, 1 2 2 0 0" in text
    assert "never in 64" in text
    assert "dvc repro paper/dvc.yaml:figure_1@inception-none-plain-0" in text
    assert "dvc repro --glob 'paper/dvc.yaml:figure_1@alexnet-none-plain-*'" in text


def test_numbers_in_the_tables_are_those_of_the_metrics(tmp_path):
    run = make_run("mlp_3x512", "none", train_accuracy=0.99988, test_accuracy=0.5187)
    write_grid(tmp_path / "metrics/cifar10", [run])
    html = html_of(tmp_path)
    assert re.search(r'href="metrics/cifar10/runs.csv" title="mlp_3x512-none-plain-0.test_accuracy">51.87%<', html)
    assert "MLP 3x512: true labels, no regulariser 100.00% 99.99% 52.39% 51.87%" in Page(html).text


def section(html, name):
    """The section of a page with that heading, as a page."""
    (found,) = re.findall(rf'<section aria-labelledby="{name}">.*?</section>', html, re.DOTALL)
    return Page(found)


def test_imagenet_has_a_section_with_its_rows_figures_and_claims_which_are_counted_by_themselves(results, tmp_path):
    for name in ("metrics", "plots"):
        shutil.copytree(results / name, tmp_path / name)
    made = make_imagenet_run("none", "weight_decay", epochs_to_fit=None)
    made[2].update(train_accuracy=0.9131, test_accuracy=0.6642, best_test_accuracy=0.7, test_top5_accuracy=0.8591)
    write_grid(tmp_path / "metrics/imagenet", [made])
    known = load_claims(ROOT / "paper/claims.yaml")
    verdicts = [judge(known, claim, read_results(tmp_path / "metrics")) for claim in known.claims]
    write_json(tmp_path / "metrics/claims.json", verdicts)
    html = html_of(tmp_path)
    imagenet = section(html, "imagenet")
    row = "Inception V3: true labels, weight decay dvc repro imagenet/dvc.yaml:evaluate"
    assert f"{row} 90.60% 91.31% 67.18% 66.42% 72.57% 70.00% not fitted ILSVRC 2012" in imagenet.text
    assert f"{row} 100.00% {made[2]['train_top5_accuracy']:.2%} 86.44% 85.91% 91.31%" in imagenet.text
    assert "Inception V3: random labels, dropout, weight decay 91.18% – 0.09% – – not run" in imagenet.text
    assert [image["alt"] for image in imagenet.all("img")] == [FIGURES[n].title for n in ("figure_2a", "table_2")]
    counts = [sum(is_of_imagenet(v) and v["verdict"] == name for v in verdicts) for name in VERDICTS]
    assert counts[0] > 0
    words = ", ".join(f"{count} {name}" for count, name in zip(counts, VERDICTS, strict=True))
    assert f"the claims on ImageNet : {words}." in Page(html).text
    own = {v["id"] for v in verdicts if is_of_imagenet(v)}
    assert {a["id"].removeprefix("claim-") for a in imagenet.all("tr") if "id" in a} == own
    others = {a["id"].removeprefix("claim-") for a in section(html, "claims").all("tr") if "id" in a}
    assert others == {v["id"] for v in verdicts} - own
    assert "metrics/imagenet/runs.csv" in {a["href"] for a in imagenet.all("a")}


def test_the_report_in_small_leaves_imagenet_out(results):
    page = Page(build_page(results / "metrics", results / "plots", results / "report.html", {}, small=True))
    assert {"href": "#imagenet"} not in page.all("a")
    assert FIGURES["figure_2a"].title not in page.text


def test_a_page_without_any_result_says_so(tmp_path):
    page = Page(html_of(tmp_path))
    assert "Nothing has run yet" in page.text
    assert "No verdicts yet" in page.text
    assert page.text.count("Not drawn yet") == len(FIGURES)


def kernel_result(labels, error, norm, ridge=0.0, dataset="mnist", **more):
    return {
        **{"dataset": dataset, "labels": labels, "ridge": ridge, "test_error": error, "norm": norm, **more},
        **{"train_size": 60000, "train_accuracy": 1.0, "relative_residual": 5.7e-10, "bandwidth": 0.02},
    }


def theory_page(folder, summary, picture):
    """The page with these results of the theory on MNIST, and all figures drawn."""
    write_json(folder / "metrics/theory/mnist/summary.json", summary)
    (folder / "plots/theory/mnist").mkdir(parents=True)
    for stem in PICTURES:
        (folder / f"plots/theory/mnist/{stem}.png").write_bytes(picture)
    return Page(html_of(folder))


@pytest.fixture
def picture(results):
    return next((results / "plots/paper").glob("*.png")).read_bytes()


def test_the_theory_has_a_section_where_it_has_run(picture, tmp_path):
    own = {
        "true_labels": kernel_result("true", 0.0122, 104.2),
        "true_labels_l2": kernel_result("true", 0.0119, 98.7, ridge=0.5),
    }
    summary = {"kernel": {"pixels": own}, "minimum_norm": {"norm": None, "distance": {"descent": 2.18e14}}}
    page = theory_page(tmp_path, summary, picture)
    command = "dvc repro theory/dvc.yaml:kernel@mnist-pixels"
    assert f"pixels, true labels {command} 60,000 100.00% 1.22% 5.7e-10 104 0.02 –" in page.text
    assert f"pixels, true labels with l2 {command} 60,000 100.00% 1.19% 5.7e-10 98.7 0.02 0.5" in page.text
    assert "dvc repro theory/dvc.yaml:minimum_norm@mnist" in page.text
    assert "norm – distance: descent 2.18e+14" in page.text
    assert "Official MNIST" in page.text
    assert {"href": "#theory"} in page.all("a")
    where = {"href": "metrics/theory/mnist/summary.json", "title": "kernel.pixels.true_labels.test_error"}
    assert where in page.all("a")


def test_the_theory_shows_only_figures_of_results_that_are_there(picture, tmp_path):
    summary = {"kernel": {}, "minimum_norm": {"norm": 20.4}}
    page = theory_page(tmp_path, summary, picture)
    assert [image["alt"] for image in page.all("img")] == [
        PICTURES[name].title for name in ("minimum_norm", "random_signs")
    ]
    assert "metrics/theory/mnist/random_signs.csv" in [a["href"] for a in page.all("a")]
    write_json(tmp_path / "metrics/theory/mnist/summary.json", {"kernel": {}})
    assert {"href": "#theory"} not in Page(html_of(tmp_path)).all("a")


def test_the_theory_names_every_data_set_and_the_panel_of_random_patches(picture, tmp_path):
    kernels = {
        f"random_patches_{count}": {"true_labels": kernel_result("true", 0.3, 9.0, dataset=dataset, filters=count)}
        for count, dataset in ((100, "cifar10-jpeg"), (400, "cifar10"))
    }
    page = theory_page(tmp_path, {"kernel": kernels}, picture)
    assert "JPEG copy of CIFAR-10; official CIFAR-10" in page.text
    assert [image["alt"] for image in page.all("img")] == [PICTURES["kernel"].title]
    assert PICTURES["kernel"].caption + TREND in page.text


@pytest.mark.parametrize(
    ("value", "share", "text"),
    [
        *((0.0122, True, "1.22%"), (1.00012, True, "100.01%"), (0.5, False, "0.5"), (999.7, False, "1,000")),
        *(
            (1234.5, False, "1,234"),
            (50000, False, "50,000"),
            (2.18e14, False, "2.18e+14"),
            (1649402, False, "1,649,402"),
        ),
        *((5.7e-10, False, "5.7e-10"), (True, False, "True"), (None, False, ""), ("failed", True, "failed")),
    ],
)
def test_numbers_as_text(value, share, text):
    assert as_text(value, share) == text


def test_the_stage_writes_the_same_page_twice(results, tmp_path, run_stage):
    (tmp_path / "metrics").symlink_to(results / "metrics")
    (tmp_path / "plots").symlink_to(results / "plots")
    block = "{archs: [inception], corruptions: [none], variants: [plain]}"
    (tmp_path / "grid.yaml").write_text(
        f"paper: {{seeds: [0], corruptions: {{cifar10: [none]}}, runs: {{figure_1: {block}}}}}"
    )
    for name in ("one.html", "two.html"):
        assert run_stage("report", "--grid", "grid.yaml", "--out", name).returncode == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert "dvc repro paper/dvc.yaml:figure_1@inception-none-plain-0" in Page((tmp_path / "one.html").read_text()).text


def test_verdicts_cut_short_are_named(tmp_path, failure):
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/claims.json").write_text("[{")
    code, message = failure("report", "--metrics", "cut", "--grid", ROOT / "paper/params.yaml")
    assert (code, message.startswith("error: cut/claims.json cannot be read (")) == (1, True)


def test_a_missing_grid_is_named(failure):
    assert failure("report", "--grid", "none.yaml") == (
        2,
        "error: --grid: no such file 'none.yaml'; expected the grid's parameters, paper/params.yaml",
    )


def test_targets_name_the_block_of_every_run():
    blocks = {
        "figure_1": {"archs": ["alexnet"], "corruptions": ["none", "labels-0.5"], "variants": ["plain"]},
        "mnist": {"dataset": "mnist", "archs": ["mlp_1x512"], "corruptions": ["none"], "variants": ["plain"]},
    }
    corruptions = {"cifar10": ["none", "labels-0.5"], "mnist": ["none"]}
    grid = config.Paper.model_validate({"seeds": [0, 1], "corruptions": corruptions, "runs": blocks})
    alexnet = [f"alexnet-{corruption}-plain-{seed}" for corruption in ("none", "labels-0.5") for seed in (0, 1)]
    mlp = [f"mlp_1x512-none-plain-{seed}" for seed in (0, 1)]
    assert targets(grid, small=False) == {
        **{("cifar10", RunName.parse(name)): f"paper/dvc.yaml:figure_1@{name}" for name in alexnet},
        **{("mnist", RunName.parse(name)): f"paper/dvc.yaml:mnist@{name}" for name in mlp},
    }


def test_verdicts_are_counted(results, html):
    counts = dict.fromkeys(("reproduced", "differs", "not run"), 0)
    for claim in read_json(results / "metrics/claims.json"):
        counts[claim["verdict"]] += 1
    assert " ".join(f"{count} {verdict}" for verdict, count in counts.items()) in Page(html).text
