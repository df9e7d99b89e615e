"""How inputs hang together, as it counts for a key: two names for one list are something else than two equal lists."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from milepost.analysis.adapters import NoContent
from milepost.analysis.code import digest_text
from milepost.analysis.digest import Walk
from milepost.notebook.auto.reach import Reach, union


def sharing(values: Mapping[str, Any], reaches: Mapping[str, Reach], home: Mapping[str, Any]) -> str:
    """A digest of the places at which these values have objects or memory in common, "" where they have none."""
    if not _in_common([reaches[name] for name in values]):
        return ""
    pairs = [pair for pair in combinations(sorted(values), 2) if hang_together(*(reaches[name] for name in pair))]
    places = {name: _places(values[name], home) for name in {name for pair in pairs for name in pair}}
    words = [word for one, two in pairs for word in _words(one, two, places, reaches)]
    return digest_text(*sorted(words)) if words else ""


def _in_common(reaches: Sequence[Reach]) -> bool:
    """Whether any two of these have something in common."""
    if len(union(reaches).joint) < sum(len(reach.joint) for reach in reaches):
        return True
    spans = sorted(span for reach in reaches for span in (*reach.spans, *reach.frames))
    return any(one[1] > two[0] for one, two in pairwise(spans))


def hang_together(one: Reach, two: Reach) -> bool:
    """Whether two values have an object or memory in common."""
    return not one.joint.isdisjoint(two.joint) or one.overlaps(two)


def _words(one: str, two: str, places: Mapping[str, Mapping[int, int]], reaches: Mapping[str, Reach]) -> Iterator[str]:
    for part in reaches[one].joint & reaches[two].joint:
        here, there = places[one].get(part), places[two].get(part)
        if part < 0 or here is not None or there is not None:  # else it is no content, as the dict of an object is not
            yield f"{one} {here} = {two} {there}"
    for shift in _shifts(reaches[one], reaches[two]):
        yield f"{one} + {shift} = {two}"


def untied(reaches: Mapping[str, Reach]) -> str:
    """Why values could not be saved as they hang together: no restore has a frame share its memory."""
    framed = [name for name, reach in reaches.items() if reach.frames]
    for one in framed:
        others = (two for two in reaches if two != one or reaches[one].spans)
        found = next((two for two in others if reaches[one].overlaps_frame(reaches[two])), None)
        if found is not None:
            return f"{one!r} shares its memory with {found!r}, which no restore could give back"
    return ""


def _shifts(one: Reach, two: Reach) -> set[int]:
    """How far overlapping memory begins apart."""
    mine, theirs = (*one.spans, *one.frames), (*two.spans, *two.frames)
    pairs = ((a, b) for a in mine for b in theirs if a[0] < b[1] and b[0] < a[1])
    return {b[0] - a[0] for a, b in pairs}


def _places(value: Any, home: Mapping[str, Any]) -> dict[int, int]:
    """In which order a walk over the content of a value meets its parts."""
    walk = Walk(home)
    with contextlib.suppress(NoContent, RecursionError, RuntimeError):
        walk.value(value)
    return walk.seen
