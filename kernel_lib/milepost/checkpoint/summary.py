"""The summary file of a store, by which pages without a kernel see what is saved: kernels write it whole."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from milepost.checkpoint.atomic import write_file
from milepost.checkpoint.plain import open_plain


def leave_out(path: Path, tasks: Collection[str]) -> None:
    """Take out of a summary, where there is one, what it says of these tasks."""
    try:
        with open(open_plain(path), "rb") as file:
            found = json.load(file)
        kept = _without(found, set(tasks))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return  # none, or what no kernel wrote: pages show nothing of it
    if kept != found:
        write_file(path, json.dumps(kept).encode())


def _without(found: dict[str, Any], tasks: set[str]) -> dict[str, Any]:
    graph = found["graph"]
    arrows = [arrow for arrow in graph["edges"] if not {arrow["source"], arrow["target"]} & tasks]
    boxes = [box for box in graph["nodes"] if box["name"] not in tasks]
    return {
        **found,
        "tasks": [row for row in found["tasks"] if row["name"] not in tasks],
        "graph": {**graph, "nodes": boxes, "edges": arrows},
        "sources": {name: text for name, text in found["sources"].items() if name not in tasks},
    }
