"""Partially corrupted labels; at level 1, random labels (paper, section 2.1)."""

import numpy as np
from scipy import special

from rethinking.core.arrays import ImageData
from rethinking.core.streams import Stream, generator
from rethinking.corruptions.common.request import Request

HAS_LEVEL = True
# An honest artefact fails the audit about once in a million times.
FALSE_ALARM = 1e-6


def corrupt(data: ImageData, request: Request) -> dict[str, np.ndarray]:
    """Redraw each label with probability `level` uniformly among all classes, the old one included.

    Corruption is nested: with one seed, a higher level redraws a superset of the labels, to the same new values, so
    that curves over levels are comparable. Test labels stay clean unless `test_labels` asks otherwise.
    """
    random = generator(request.seed, Stream.TRAIN_LABELS)
    changed = {"train_labels": redraw(data.train_labels, data.classes, request.level, random)}
    if request.test_labels:
        random = generator(request.seed, Stream.TEST_LABELS)
        changed["test_labels"] = redraw(data.test_labels, data.classes, request.level, random)
        changed["test_true_labels"] = data.test_labels
    return changed


def redraw(labels: np.ndarray, classes: int, level: float, random: np.random.Generator) -> np.ndarray:
    """Labels (N,) int64, each redrawn with probability `level`; nested in `level` for one state of the generator."""
    threshold = random.random(len(labels))
    drawn = random.integers(0, classes, len(labels))
    return np.where(threshold < level, drawn, labels)


def audit(data: ImageData, changed: dict[str, np.ndarray], request: Request) -> dict:
    """Judge the share of changed labels against level (1 - 1/K) and the independence of new and true labels."""
    pairs = [(data.train_true_labels, changed["train_labels"])]
    if request.test_labels:
        pairs.append((changed["test_true_labels"], changed["test_labels"]))
    expected = request.level * (1 - 1 / data.classes)
    findings = [_judge(true, new, data.classes, expected) for true, new in pairs]
    return {"expected_changed": expected, **findings[0], "ok": all(finding["ok"] for finding in findings)}


def _judge(true: np.ndarray, new: np.ndarray, classes: int, expected: float) -> dict:
    share = float(np.mean(new != true))
    low, high = binomial_interval(len(true), expected)
    p_value = independence_p_value(true, new, classes)
    ok = low <= share <= high and (p_value is None or p_value > FALSE_ALARM)
    return {"changed": share, "interval": [low, high], "independence_p_value": p_value, "ok": bool(ok)}


def binomial_interval(count: int, share: float) -> tuple[float, float]:
    """The range of shares that a binomial of `count` draws at `share` leaves FALSE_ALARM of the time."""
    cumulative = special.bdtr(np.arange(count + 1), count, share)
    low, high = np.searchsorted(cumulative, [FALSE_ALARM / 2, 1 - FALSE_ALARM / 2])
    return float(low) / count, float(high) / count


def independence_p_value(true: np.ndarray, new: np.ndarray, classes: int) -> float | None:
    """Chi-square p-value that, where the label changed, the new one is uniform over the other classes whatever the
    true one was. A renaming of the classes, which leaves nothing to memorise, gives zero. None if nothing changed.
    """
    differs = new != true
    if not differs.any():
        return None
    table = np.zeros((classes, classes))
    np.add.at(table, (true[differs], new[differs]), 1)
    expected = np.repeat(table.sum(axis=1, keepdims=True) / (classes - 1), classes, axis=1)
    off_diagonal = ~np.eye(classes, dtype=bool) & (expected > 0)
    statistic = float((((table - expected) ** 2)[off_diagonal] / expected[off_diagonal]).sum())
    rows = int((table.sum(axis=1) > 0).sum())
    degrees = rows * (classes - 2)
    return float(special.chdtrc(degrees, statistic)) if degrees else None
