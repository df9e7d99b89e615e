"""`milepost forget`: drop what is saved of tasks

Their bytes are freed by the next clean-up.
"""

from __future__ import annotations

import argparse

from milepost.checkpoint.summary import leave_out
from milepost.cli.place import find_store, require_tasks
from milepost.cli.say import say


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("tasks", metavar="TASK", nargs="+", help="tasks to forget")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    store = find_store(options.place)
    tasks = require_tasks(options.tasks, store.known())
    store.forget(tasks)
    leave_out(store.layout.summary, tasks)
    say(f"forgotten: {', '.join(tasks)}")
    return 0
