"""A verdict in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from milepost.checking.tasks import Again
from milepost.checking.verdict import Finding, Verdict
from milepost.widget.words import duration

_MOST = 20
"""Lines of one kind."""


def report(verdict: Verdict) -> str:
    """What was found, the worst first."""
    return "\n".join(_lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    if verdict.failure:
        found = verdict.failure
        yield f"✗ cell {found.cell} fails in the plain run, what follows is not checked: {found.difference.reason}"
    yield from _section("other with Milepost than without", [_words(finding) for finding in verdict.changed], "✗")
    wrong = [_words(found[0]) + _times(len(found)) for found in verdict.wrong.values()]
    yield from _section("wrong after a resume", wrong, "✗")
    yield from _section(f"run again needlessly ({_share(verdict)})", [_again(items) for items in verdict.needless], "⚠")
    others = [_again(items) for items in verdict.again.values() if not items[0].needless]
    yield from _section("run again on purpose", others, " ")
    yield from _section("differ between plain runs too", [" ".join(place) for place in sorted(verdict.tolerated)], " ")
    blurred = [f"{name}: {why}" for name, why in sorted(verdict.blurred.items())]
    yield from _section("not comparable, but for their type and parts", blurred, " ")
    yield from _summary(verdict)


def _section(title: str, lines: Sequence[str], symbol: str) -> Iterator[str]:
    if lines:
        yield f"{symbol} {title}: {len(lines)}".lstrip()
        yield from (f"    {line}" for line in lines[:_MOST])
    if len(lines) > _MOST:
        yield f"    … and {len(lines) - _MOST} more (see --json)"


def _words(finding: Finding) -> str:
    found = finding.difference
    what = found.kind if found.kind in {"output", "failure"} else f"{found.kind} {found.what}"
    where = f"killed after cell {finding.killed}" if finding.killed else ""
    if finding.seen not in (finding.killed, finding.cell):
        where += f"{', ' if where else ''}seen after cell {finding.seen}"
    return f"cell {finding.cell}: {what}: {found.reason}{f' ({where})' if where else ''}"


def _again(items: Sequence[Again]) -> str:
    where = f"cell {items[0].cell}" if items[0].cell else "task"
    seconds = duration(sum(item.seconds for item in items))
    return f"{where} {items[0].task!r}{_times(len(items))}, {seconds}: {items[0].cause}"


def _times(count: int) -> str:
    return f", {count} times" if count > 1 else ""


def _share(verdict: Verdict) -> str:
    return f"{verdict.needless_share:.1%} of {verdict.runs} cell runs"


def _summary(verdict: Verdict) -> Iterator[str]:
    points = len(verdict.kills)
    whole = max(verdict.seconds.values(), default=0.0)
    yield (
        f"{'✓' if verdict.good else '✗'} {verdict.cells} cells ({duration(whole)}), killed at {points} "
        f"point{'' if points == 1 else 's'}: {verdict.runs} cells run again, {verdict.restored} results restored; "
        f"{duration(verdict.again_seconds)} spent, {duration(verdict.saved_seconds)} saved; "
        f"{len(verdict.wrong) + len(verdict.changed)} wrong, {_share(verdict)} needless"
    )
