"""The figure of kernels: what its panel of random patches shows, and when it is there."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from rethinking.core.files import read_yaml
from rethinking.figures.theory import kernels
from rethinking.paper.published import RANDOM_PATCHES_ERROR, RANDOM_PATCHES_FILTERS
from tests.conftest import ROOT


@pytest.fixture
def lines():
    """Draw results {kernel: {labelling: (filters, error)}}; the lines of every panel by label."""

    def draw(results, dataset="cifar10-jpeg", train_size=50000):
        known = {
            name: {
                key: {
                    **{"dataset": dataset, "train_size": train_size, "test_error": error, "norm": 9.0},
                    **({} if filters is None else {"filters": filters}),
                }
                for key, (filters, error) in own.items()
            }
            for name, own in results.items()
        }
        search = [{"features": name, "bandwidth": 0.4, "ridge": 0, "held_out_error": 0.4} for name in results]
        figure = kernels(pd.DataFrame(search), known)
        return [{line.get_label(): line.get_xydata().tolist() for line in axes.lines} for axes in figure.axes]

    yield draw
    plt.close("all")


PATCHES = {
    "wide": {"true_labels": (100, 0.33), "true_labels_l2": (100, 0.25)},
    "pixels": {"true_labels": (None, 0.43)},
    "narrow": {"true_labels": (25, 0.41)},
}


def test_random_patches_by_their_number_and_the_papers_beside_them(lines):
    assert lines(PATCHES)[2] == {
        "true labels": [[25, 41], [100, 33]],
        "true labels with l2": [[100, 25]],
        "true labels, paper": [[32000, 17]],
        "true labels with l2, paper": [[32000, 15]],
    }


@pytest.mark.parametrize("data", [("digits", 1497), ("cifar100", 50000), ("cifar10", 5000)])
def test_the_papers_errors_stand_only_beside_all_of_cifar10(lines, data):
    assert set(lines(PATCHES, *data)[2]) == {"true labels", "true labels with l2"}


def test_no_panel_of_random_patches_where_their_number_does_not_differ(lines):
    same = {"one": {"true_labels": (100, 0.33)}, "two": {"true_labels": (100, 0.35)}}
    for results in (same, {"pixels": {"random_labels": (None, 0.9)}}):
        assert len(lines(results)) == 2


def test_the_papers_errors_are_those_of_the_claims():
    document = read_yaml(ROOT / "paper/claims.yaml")
    claims = {claim.get("metric"): claim.get("paper") for claim in document["claims"]}
    for key, error in RANDOM_PATCHES_ERROR.items():
        assert claims[f"theory/cifar10/kernel/random_patches_{RANDOM_PATCHES_FILTERS}/{key}/test_error"] == error
