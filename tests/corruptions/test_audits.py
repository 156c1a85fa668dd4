"""The audits of labels fail for what earlier reproductions got wrong (paper notes, section 12).

Each case forges the labels that such a reproduction would have written; the audit must refuse them.
"""

import numpy as np
import pytest

from rethinking.corruptions import labels, none
from rethinking.corruptions.common.request import Request
from tests.synthetic import label_data, lit_data

DATA = lit_data()
LABELS = label_data()
TRUE = LABELS.train_labels
REQUEST = Request(1.0, 0, 28)
rng = np.random.default_rng


def judge_labels(new, level=1.0, **test_arrays):
    request = Request(level, 0, 28, test_labels=bool(test_arrays))
    return labels.audit(LABELS, {"train_labels": new, **test_arrays}, request)


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_labels_that_were_never_corrupted_fail(level):
    assert not judge_labels(TRUE, level)["ok"]


def test_renamed_classes_fail_although_the_changed_share_is_right():
    names = np.array([0, 2, 3, 4, 5, 6, 7, 8, 9, 1])
    finding = judge_labels(names[TRUE])
    assert finding["interval"][0] <= finding["changed"] <= finding["interval"][1]
    assert not finding["ok"]


def test_a_part_of_the_labels_renamed_fails_although_the_changed_share_is_right():
    renamed = np.where(rng(0).random(len(TRUE)) < 0.45, (TRUE + 1) % 10, TRUE)
    finding = judge_labels(renamed, 0.5)
    assert finding["interval"][0] <= finding["changed"] <= finding["interval"][1]
    assert not finding["ok"]


def test_labels_redrawn_among_the_other_classes_only_fail():
    assert not judge_labels((TRUE + rng(0).integers(1, 10, len(TRUE))) % 10)["ok"]


def test_labels_of_another_level_fail():
    assert not judge_labels(labels.redraw(TRUE, 10, 0.6, rng(0)), 0.5)["ok"]


def test_new_labels_that_are_not_uniform_fail():
    favoured = np.minimum(rng(0).integers(0, 11, len(TRUE)), 9)
    assert not judge_labels(favoured)["ok"]


def test_clean_test_labels_fail_where_corrupted_ones_were_asked_for():
    clean = {"test_labels": LABELS.test_labels, "test_true_labels": LABELS.test_labels}
    assert not judge_labels(labels.redraw(TRUE, 10, 1.0, rng(0)), **clean)["ok"]


def test_a_label_that_changed_fails_the_control():
    changed = DATA.train_labels.copy()
    changed[0] = (changed[0] + 1) % 10
    assert none.audit(DATA, {"train_labels": DATA.train_labels}, REQUEST)["ok"]
    assert not none.audit(DATA, {"train_labels": changed}, REQUEST)["ok"]
