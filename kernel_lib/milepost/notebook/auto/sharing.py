"""Values that hang together in a way that no restore gives back."""

from __future__ import annotations

from collections.abc import Mapping

from milepost.notebook.reach import Reach


def untied(reaches: Mapping[str, Reach]) -> str:
    """Why values could not be saved as they hang together: no restore has a frame share its memory."""
    framed = [name for name, reach in reaches.items() if reach.frames]
    for one in framed:
        others = (two for two in reaches if two != one)
        found = next((two for two in others if reaches[one].overlaps_frame(reaches[two])), None)
        if found is not None:
            return f"{one!r} shares its memory with {found!r}, which no restore could give back"
    return ""
