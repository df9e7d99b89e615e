"""Which values hang together: two names for one list are something else than two equal lists."""

from __future__ import annotations

from collections.abc import Mapping

from milepost.notebook.auto.reach import Reach


def hang_together(one: Reach, two: Reach) -> bool:
    """Whether two values have an object or memory in common."""
    return not one.joint.isdisjoint(two.joint) or one.overlaps(two)


def untied(reaches: Mapping[str, Reach]) -> str:
    """Why values could not be saved as they hang together: no restore has a frame share its memory."""
    framed = [name for name, reach in reaches.items() if reach.frames]
    for one in framed:
        others = (two for two in reaches if two != one or reaches[one].spans)
        found = next((two for two in others if reaches[one].overlaps_frame(reaches[two])), None)
        if found is not None:
            return f"{one!r} shares its memory with {found!r}, which no restore could give back"
    return ""
