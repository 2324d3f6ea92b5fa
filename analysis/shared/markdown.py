"""Tables and quartiles as Markdown."""

from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows))


def quartiles(values: Sequence[float], pattern: str = "{:.2f}") -> str:
    """`median (first quartile to third quartile)` of the three values in the order of their size."""
    low, median, high = map(pattern.format, values)
    return f"{median} ({low} to {high})"


def verdict(missed: Sequence[str]) -> str:
    """Which rows miss a target, as a sentence."""
    return f"Missed by: {'; '.join(missed)}." if missed else "All meet it."


def percent(share: float, digits: int = 0) -> str:
    """A fraction in %."""
    return f"{100 * share:.{digits}f} %"
