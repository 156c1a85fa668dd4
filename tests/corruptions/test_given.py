"""Labels from a file are taken as they are, in the order of the images, or refused in one sentence."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as over
from hypothesis import strategies as st

from rethinking.core.errors import DataError
from rethinking.corruptions import given
from rethinking.corruptions.common.request import Request
from tests.synthetic import label_data

DATA = label_data(train=200)
TRUE, N = DATA.train_labels, len(DATA.train_labels)
HUMAN = np.where(np.arange(N) % 4 == 0, (TRUE + 1) % 10, TRUE)
small = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def corrupt(tmp_path):
    """The corruption by a file of these bytes, of this array, or of a table of these columns."""

    def corrupted(content=None, name="labels.csv", **columns):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is None:
            pd.DataFrame(columns).to_csv(path, index=False)
        else:
            np.save(path, content)
        return given.corrupt(DATA, Request(1.0, 0, 28, labels=str(path)))["train_labels"]

    return corrupted


@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4", "uint64"])
def test_an_array_of_integers_is_taken_as_it_is(corrupt, dtype):
    labels = corrupt(HUMAN.astype(dtype), "labels.npy")
    assert (labels.dtype, labels.tolist()) == (np.int64, HUMAN.tolist())


def test_a_table_may_have_other_columns_spaces_and_the_line_ends_of_windows(corrupt):
    lines = ["worker, label, true_label", *(f"Ä{row}, {HUMAN[row]}, {TRUE[row]}" for row in range(N))]
    assert np.array_equal(corrupt("\r\n".join(lines).encode()), HUMAN)


@over(order=st.permutations(range(N)))
@small
def test_rows_in_any_order_come_to_the_order_of_their_index(corrupt, order):
    found = corrupt(label=HUMAN[order], index=order, true_label=TRUE[order])
    assert np.array_equal(found, HUMAN)


def test_rows_in_another_order_are_found_by_their_true_labels(corrupt):
    order = np.random.default_rng(0).permutation(N)
    differ = int((TRUE[order] != TRUE).sum())
    assert differ > N / 2
    with pytest.raises(DataError, match=f"true_label is not the data set's in {differ} of 200 rows"):
        corrupt(label=HUMAN[order], true_label=TRUE[order])
    with pytest.raises(DataError, match="in 1 of 200 rows"):
        corrupt(label=HUMAN, true_label=np.where(np.arange(N) == 7, (TRUE + 1) % 10, TRUE))


LIST = HUMAN.tolist()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": LIST[:-1]}, "found 199 labels; expected 200, one for each training image that dataset.train_size"),
        ({"label": [10, *LIST[1:]]}, "found the label 10; expected 0 to 9"),
        ({"label": [-1, *LIST[1:]]}, "found the label -1"),
        ({"label": [*LIST[:5], None, *LIST[6:]]}, "found nan as label of row 6; expected whole numbers"),
        ({"label": [*LIST[:5], 2.5, *LIST[6:]]}, "found 2.5 as label of row 6"),
        ({"label": [*LIST[:5], "cat", *LIST[6:]]}, "found cat as label of row 6"),
        ({"label": [2**70, *LIST[1:]]}, f"found {2**70} as label of row 1|the label {2**70}"),
        ({"label": [True] * N}, "found True as label of row 1"),
        ({"label": LIST, "true_label": [None, *TRUE[1:]]}, "found nan as true_label of row 1"),
        ({"label": LIST, "index": [None, *range(1, N)]}, "found nan as index of row 1"),
        ({"label": LIST, "index": [1, *range(1, N)]}, "no row has the index 0; expected each from 0 to 199 once"),
        ({"label": LIST, "index": range(1, N + 1)}, "no row has the index 0"),
        ({"human": LIST}, "found the columns human; expected label"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(corrupt, columns, said):
    with pytest.raises(DataError, match=rf"^corrupt\.labels: '.*labels\.csv' cannot be used: ({said})"):
        corrupt(**columns)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (HUMAN.astype(float), "labels.npy", "found float64 of shape .200,.; expected integers"),
        (HUMAN == 1, "labels.npy", "found bool"),
        (HUMAN[:, None], "labels.npy", "found int64 of shape .200, 1."),
        (np.uint64(2**64 - 1) * np.ones(N, np.uint64), "labels.npy", f"found the label {2**64 - 1}"),
        (np.array([{"clean": LIST}], dtype=object), "labels.npy", ""),  # a pickle, as CIFAR-10N has
        (pickle.dumps(LIST), "labels.npy", ""),
        (b"PK\x03\x04", "labels.npy", ""),  # as .npz begins
        (b"\x93NUMPY\x01\x00", "labels.npy", ""),
        (b"", "labels.npy", ""),
        (b"", "labels.csv", ""),
        (b"label\n\xff\xfe\n", "labels.csv", ""),
        (b'label\n"1\n', "labels.csv", ""),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(corrupt, content, name, said):
    with pytest.raises(DataError, match=rf"^corrupt\.labels: '.*{name}' cannot be used: {said}"):
        corrupt(content, name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="absent.npy' cannot be used: "):
        given.corrupt(DATA, Request(1.0, 0, 28, labels=str(tmp_path / "absent.npy")))


def test_the_audit_counts_given_labels_by_true_ones(corrupt):
    labels = corrupt(HUMAN, "labels.npy")
    audit = given.audit(DATA, {"train_labels": labels}, Request(1.0, 0, 28))
    confusion = np.array(audit["confusion"])
    for true in range(10):
        of_class = HUMAN[true == TRUE]
        assert confusion[true].tolist() == np.bincount(of_class, minlength=10).tolist()
        assert audit["changed_by_class"][true] == np.mean(of_class != true)
    assert (audit["changed"], audit["ok"]) == (0.25, True)
