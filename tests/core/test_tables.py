"""Tables are read as they were written."""

import numpy as np

from rethinking.core.tables import read_table, records, write_table


def test_whole_numbers_keep_their_digits_beside_missing_ones_and_floats_have_six(tmp_path):
    rows = [
        {"run": "a", "step": 2**60 + 1, "loss": 1 / 3, "fitted": True, "seed": 1_234_567},
        {"run": "b", "step": None, "loss": np.inf, "fitted": False, "seed": 0},
        {"run": "c", "step": 7, "loss": 2e10, "fitted": None, "seed": 1},
    ]
    write_table(tmp_path / "runs.csv", rows)
    expected = "run,step,loss,fitted,seed\na,1152921504606846977,0.333333,True,1234567\nb,,,False,0\nc,7,2e+10,,1\n"
    assert (tmp_path / "runs.csv").read_text() == expected
    again = read_table(tmp_path / "runs.csv")
    assert records(again)[1:] == [rows[1] | {"loss": None}, rows[2]]
    write_table(tmp_path / "again.csv", again.drop(columns="step"))
    write_table(tmp_path / "once.csv", [{key: row[key] for key in row if key != "step"} for row in rows])
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "once.csv").read_bytes()
