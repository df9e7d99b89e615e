"""Tables and bars as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that must hold, what was measured, and whether it does."""

    what: str
    bar: str
    measured: str
    met: bool


def at_most(what: str, measured: float, limit: float, unit: str, aim: float | None = None) -> Bar:
    """Met by no more than the limit."""
    text = f"≤ {limit:g} {unit}".rstrip()
    return Bar(what, text + (f", aim {aim:g}" if aim else ""), f"{measured:.3g} {unit}".rstrip(), measured <= limit)


def at_least(what: str, measured: float, limit: float, unit: str) -> Bar:
    """Met by no less than the limit."""
    return Bar(what, f"≥ {limit:g}{unit}", f"{measured:.3g}{unit}", measured >= limit)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print with columns as wide as they need; the first is text, the others are figures."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    print(f"\n{title}")
    for number, line in enumerate(lines):
        cells = [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in pairs(line, widths)]
        print("  " + "  ".join(cells))
        if not number:
            print("  " + "  ".join("-" * width for width in widths))


def pairs(line: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[int, tuple[str, int]]]:
    """Each cell with its column and the column's width."""
    return enumerate(zip(line, widths, strict=True))


def verdict(bars: Iterable[Bar]) -> bool:
    """Print each bar with whether it is met; whether all are."""
    listed = list(bars)
    table("Bars", ("what", "bar", "measured", "met"), [(b.what, b.bar, b.measured, _word(b)) for b in listed])
    return all(bar.met for bar in listed)


def _word(bar: Bar) -> str:
    return "yes" if bar.met else "NO"
