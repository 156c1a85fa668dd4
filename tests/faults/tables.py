"""Cells of the tables in docs/trust.md."""


def quoted(sentence: str, most: int = 120) -> str:
    """What was said, as code, cut to a length that fits into a table; nothing for nothing."""
    sentence = " ".join(sentence.replace("|", "/").split())
    if len(sentence) > most:
        sentence = f"{sentence[: most - 3]}..."
    return f"`` {sentence} ``" if "`" in sentence else f"`{sentence}`" if sentence else ""
