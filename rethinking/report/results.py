"""The committed results as Markdown: docs/results.md, whose first table the README quotes."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from rethinking.core.run_name import PLAIN
from rethinking.core.tables import markdown
from rethinking.paper.names import arch_name, data_note
from rethinking.paper.published import TABLE_1
from rethinking.paper.verdicts import is_of_imagenet, table
from rethinking.results.runs import Run, has_final_test, select

TEXT = """# Results

Written by `make combined` from the references named in the Makefile; [reference/](../reference/README.md) says on what
they were measured. {data}.

## Networks without regularisation

Rows of the paper's table 1. A dash stands for the test accuracy of a run that was ended as soon as it fitted: that of
the paper belongs to the end of the schedule.

{networks}
## Every claim

The paper's number, ours as the mean over seeds with its 95% interval where there are several, and the verdict by the
tolerance in [paper/claims.yaml](../paper/claims.yaml). A *smallest gap* or *rise* belongs to a claim about an order.
Claims on ImageNet follow by themselves.

{claims}
## Every claim on ImageNet

Table 2 and figure 2a: Inception V3 on all 1,281,167 training images of ILSVRC 2012, tested on its 50,000 validation
images.

{imagenet}{small}"""

SMALL = """
## In small

`make paper-small`: the same grid on a tenth of the images, and its claims that make sense at any size.

{claims}"""


def results_page(runs: Sequence[Run], verdicts: list[dict[str, Any]], in_small: list[dict[str, Any]]) -> str:
    """The page of the runs on CIFAR-10, of all verdicts, those on ImageNet apart, and of those in small."""
    networks = markdown(networks_table(runs), text_columns=2)
    small = SMALL.format(claims=table(in_small)) if in_small else ""
    data = data_note(runs).replace("\n", " ")
    imagenet = table([each for each in verdicts if is_of_imagenet(each)])
    claims = table([each for each in verdicts if not is_of_imagenet(each)])
    return TEXT.format(data=data, networks=networks, claims=claims, imagenet=imagenet, small=small)


def networks_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Train and test accuracy of the paper's networks on true and on random labels, ours beside the paper's."""
    rows = []
    for row in TABLE_1:
        if row.variant == PLAIN:
            seeds = select(runs, row.arch, row.corruption)
            final = [run for run in seeds if has_final_test(run.metrics)]
            rows.append(
                {
                    "network": arch_name(row.arch),
                    "labels": "random" if row.corruption == "labels-1.0" else "true",
                    "paper, train": f"{row.train:.2%}",
                    "ours, train": _mean(seeds, "train_accuracy", "not run"),
                    "paper, test": f"{row.test:.2%}",
                    "ours, test": _mean(final, "test_accuracy", "–" if seeds else "not run"),
                }
            )
    return pd.DataFrame(rows)


def _mean(runs: Sequence[Run], key: str, nothing: str) -> str:
    values = [run.metrics[key] for run in runs]
    return f"{sum(values) / len(values):.2%}" if values else nothing
