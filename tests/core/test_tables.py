"""Tables are read as they were written."""

import numpy as np

from rethinking.core.tables import read_table, records, write_table


def test_whole_numbers_keep_their_digits_beside_missing_ones_and_floats_have_six(tmp_path):
    rows = [
        {"run": "a", "step": 1_234_567, "loss": 1 / 3, "fitted": True, "seed": 2**53},
        {"run": "b", "step": None, "loss": np.inf, "fitted": False, "seed": 0},
        {"run": "c", "step": 7, "loss": 2.0, "fitted": None, "seed": 1},
    ]
    write_table(tmp_path / "runs.csv", rows)
    expected = "run,step,loss,fitted,seed\na,1234567,0.333333,True,9007199254740992\nb,,,False,0\nc,7,2,,1\n"
    assert (tmp_path / "runs.csv").read_text() == expected
    assert records(read_table(tmp_path / "runs.csv")) == [
        rows[0] | {"loss": 0.333333},
        rows[1] | {"loss": None},
        rows[2],
    ]
