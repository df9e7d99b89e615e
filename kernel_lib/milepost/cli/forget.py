"""`milepost forget`: drop what is saved of tasks

Their bytes are freed by the next clean-up.
"""

from __future__ import annotations

import argparse

from milepost.cli.place import find_store, require_tasks
from milepost.cli.say import say


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("tasks", metavar="TASK", nargs="+", help="tasks to forget")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    store = find_store(options.place)
    known = [record.task for record in (*store.records(), *store.partials.unfinished())]
    tasks = require_tasks(options.tasks, known)
    store.forget(tasks)
    say(f"forgotten: {', '.join(tasks)}")
    return 0
