"""Numbers and other values as people read them."""

from typing import Any


def as_text(value: Any, share: bool) -> str:
    """A number for people: shares in percent, counts and thousands with separators, others with three digits.

    Text stays as it is.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return words(value)
    if share:
        return f"{value:.2%}"
    whole = float(value).is_integer() and abs(value) < 1e12
    return f"{value:,.0f}" if whole or 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def words(value: Any) -> str:
    """Anything as text: nothing for None, lists joined by commas."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(words(item) for item in value)
    return str(value)
