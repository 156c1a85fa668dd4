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


RENAMED = {
    "all classes": (np.array([0, 2, 3, 4, 5, 6, 7, 8, 9, 1])[TRUE], 1.0),
    "a part of the labels": (np.where(rng(0).random(len(TRUE)) < 0.45, (TRUE + 1) % 10, TRUE), 0.5),
}
FORGED = {
    "never corrupted at level 0.1": (TRUE, 0.1),
    "never corrupted at level 1": (TRUE, 1.0),
    "redrawn among the other classes only": ((TRUE + rng(0).integers(1, 10, len(TRUE))) % 10, 1.0),
    "of another level": (labels.redraw(TRUE, 10, 0.6, rng(0)), 0.5),
    "not uniform": (np.minimum(rng(0).integers(0, 11, len(TRUE)), 9), 1.0),
}


@pytest.mark.parametrize("name", RENAMED)
def test_renamed_classes_fail_although_the_changed_share_is_right(name):
    finding = judge_labels(*RENAMED[name])
    assert finding["interval"][0] <= finding["changed"] <= finding["interval"][1]
    assert not finding["ok"]


@pytest.mark.parametrize("name", FORGED)
def test_forged_labels_fail(name):
    assert not judge_labels(*FORGED[name])["ok"]


def test_clean_test_labels_fail_where_corrupted_ones_were_asked_for():
    clean = {"test_labels": LABELS.test_labels, "test_true_labels": LABELS.test_labels}
    assert not judge_labels(labels.redraw(TRUE, 10, 1.0, rng(0)), **clean)["ok"]


def test_a_label_that_changed_fails_the_control():
    changed = DATA.train_labels.copy()
    changed[0] = (changed[0] + 1) % 10
    assert none.audit(DATA, {"train_labels": DATA.train_labels}, REQUEST)["ok"]
    assert not none.audit(DATA, {"train_labels": changed}, REQUEST)["ok"]
