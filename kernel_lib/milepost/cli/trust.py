"""`milepost trust`: accept results that another user saved

Without names, all of them. They are signed with your key, and may be loaded from then on.
"""

from __future__ import annotations

import argparse

from milepost.cli.place import find_store, require_tasks
from milepost.cli.say import say


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("tasks", metavar="TASK", nargs="*", help="tasks whose newest result to trust (else all)")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    store = find_store(options.place)
    records = store.records()
    named = require_tasks(options.tasks, [record.task for record in records])
    strange = [record for record in records if not record.trusted and (not named or record.task in named)]
    store.trust(strange)
    names = ", ".join(record.task for record in strange)
    say(f"trusted from now on: {names}" if strange else "there is nothing of others here")
    return 0
