"""`milepost ls`: list what is saved

Sizes are of all kept results of a task: `own` is what forgetting the task would free, `shared` what others need too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.usage import Size, sizes
from milepost.cli.place import find_store
from milepost.cli.say import say
from milepost.model.view import TaskView
from milepost.widget.ages import age_seconds
from milepost.widget.saved import view_in_doubt, view_of_record, view_of_unfinished
from milepost.widget.text import to_text
from milepost.widget.words import size, totals


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="print a list with one object a task")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    store = find_store(options.place)
    views = _views(store)
    kept = store.versions()
    space = sizes(kept)
    if options.json:
        versions = Counter(record.task for record in kept)
        print(json.dumps([_row(view, space.get(view.name, Size()), versions[view.name]) for view in views], indent=1))
    else:
        say(_table(views, space) if views else f"nothing is saved in {store.path}")
    if problems := store.problems():
        words = f"{problems[0]}{f', and {len(problems) - 1} more' if problems[1:] else ''}"
        say(
            f"milepost: there may be more in {store.path} than can be read: {words} (see `milepost verify`)", sys.stderr
        )
    return 0


def _views(store: LocalStore) -> list[TaskView]:
    """What is saved, what ended within a loop, and what is in doubt."""
    paused = bool(store.paused.since)
    views = {record.task: view_of_unfinished(record, paused=paused) for record in store.partials.unfinished()}
    views.update({record.task: view_of_record(record) for record in store.records()})
    doubts = {task: view_in_doubt(state, views.get(task)) for task, state in store.once.unsettled().items()}
    return [*{**views, **doubts}.values()]


def _table(views: Sequence[TaskView], space: Mapping[str, Size]) -> str:
    table = to_text(views, [("own", "shared"), *(_words(space.get(view.name, Size())) for view in views)])
    return f"{table}\n{totals(views)}"


def _row(view: TaskView, space: Size, versions: int) -> dict[str, Any]:
    age = age_seconds(view.saved_at) if view.saved_at else None
    return {**view.to_json(), "age": age, "own": space.own, "shared": space.shared, "versions": versions}


def _words(space: Size) -> tuple[str, str]:
    return size(space.own), size(space.shared) if space.shared else ""
