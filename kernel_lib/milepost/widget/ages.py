"""Ages in words, for reasons and stamps."""

from __future__ import annotations

import time
from datetime import datetime


def age_seconds(saved_at: str) -> float:
    """Seconds since an ISO 8601 time in UTC."""
    try:
        return max(0.0, time.time() - datetime.fromisoformat(saved_at).timestamp())
    except ValueError:
        return 0.0


def age(saved_at: str) -> str:
    """How long ago, in words."""
    seconds = age_seconds(saved_at)
    if seconds < 2:
        return "just now"
    for limit, unit, step in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // step)} {unit} ago"
    return f"{int(seconds // 86_400)} days ago"
