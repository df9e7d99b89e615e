"""`milepost resolve`: say of a task in doubt that it is done, or may run again

Of a task that happens once, started, and never reported its end. With `done`, VALUE is what it left, as JSON.
"""

from __future__ import annotations

import argparse
import json

from milepost.checkpoint.local import LocalStore
from milepost.cli.place import find_store, require_tasks
from milepost.cli.say import say
from milepost.model.errors import UsageError
from milepost.model.once import spread
from milepost.model.plain import plain_text


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("task", metavar="TASK", help="the task in doubt")
    parser.add_argument("how", choices=("done", "rerun"), help="it has had its effect, or may run again")
    parser.add_argument("value", metavar="VALUE", nargs="?", help="what it left, as JSON, such as '{\"id\": 7}'")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    store, done = find_store(options.place), options.how == "done"
    (task,) = require_tasks([options.task], store.known())
    if options.value is not None and not done:
        raise UsageError("rerun takes no value: the task leaves one itself when it runs")
    value = None if options.value is None else _value(store, task, options.value)
    store.resolve(task, done=done, value=value)
    say(f"{task}: done" if done else f"{task}: it runs again when its cell runs, with the same key")
    return 0


def _value(store: LocalStore, task: str, text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"VALUE is JSON, such as '\"text\"' or '{{\"id\": 7}}', and {text} is none: {error}") from None
    if (note := store.once.look(task).note) is not None:
        spread(note, value)
    return plain_text(value)
