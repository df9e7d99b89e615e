"""`track` and `progress`: how far a body has come, where it can be paused, and where it goes on after a kill."""

from milepost.tracking.loop import Track, track
from milepost.tracking.report import progress

__all__ = ["Track", "progress", "track"]
