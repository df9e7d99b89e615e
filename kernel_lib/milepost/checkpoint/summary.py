"""The summary file of a store, by which pages without a kernel see what is saved: kernels write it whole."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from milepost.checkpoint.atomic import write_file


def leave_only(path: Path, tasks: Collection[str]) -> None:
    """Take out of a summary what is said of other tasks than these; a file that is none goes."""
    try:
        found = json.loads(path.read_bytes())
        kept = _only(found, tasks)
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, AttributeError):
        with suppress(FileNotFoundError):
            os.remove(path)
        return
    if kept != found:
        write_file(path, json.dumps(kept).encode())


def _only(found: dict[str, Any], tasks: Collection[str]) -> dict[str, Any]:
    graph = found["graph"]
    boxes = [box for box in graph["nodes"] if box["name"] in tasks or set(box.get("members", ())) & set(tasks)]
    names = {box["name"] for box in boxes}
    arrows = [arrow for arrow in graph["edges"] if {arrow["source"], arrow["target"]} <= names]
    return {
        **found,
        "tasks": [row for row in found["tasks"] if row["name"] in tasks],
        "graph": {**graph, "nodes": boxes, "edges": arrows},
        "sources": {name: text for name, text in found["sources"].items() if name in tasks},
    }
