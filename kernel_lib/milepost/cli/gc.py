"""`milepost gc`: free what nothing needs any more

Safe beside kernels that save. What was written within the last hour stays, since a save may be about to need it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator

from milepost.checkpoint.cleanup import Cleaned
from milepost.checkpoint.summary import leave_out
from milepost.cli.place import find_store
from milepost.cli.say import say
from milepost.model.errors import UsageError
from milepost.model.record import Record
from milepost.model.sizes import count, parse_size, size


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--max-size", metavar="SIZE", type=_size, help="drop what saves the least computing for its bytes"
    )
    parser.add_argument("--keep", metavar="N", type=_versions, help="keep at most so many versions of each task")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 where something could not be done."""
    store = find_store(options.place)
    cleaned = store.space.clean(keep=options.keep, limit=options.max_size, trial=options.dry_run)
    if not options.dry_run:
        gone = {record.task for record in cleaned.evicted} - {record.task for record in store.records()}
        leave_out(store.layout.summary, gone)
    if options.json:
        print(json.dumps({"place": str(store.path), **_data(cleaned, options.dry_run)}, indent=1))
    else:
        say("\n".join(_words(cleaned, options.dry_run)))
    return 1 if cleaned.problems else 0


def _data(cleaned: Cleaned, trial: bool) -> dict[str, object]:
    return {
        "dry_run": trial,
        "bytes": cleaned.nbytes,
        "objects": cleaned.objects,
        "displaced": _rows(cleaned.displaced),
        "evicted": _rows(cleaned.evicted),
        "leftovers": cleaned.leftovers,
        "journals": cleaned.journals,
        "problems": [{"text": problem, "tasks": []} for problem in cleaned.problems],
    }


def _rows(records: Iterable[Record]) -> list[dict[str, object]]:
    return [{"name": r.task, "saved_at": r.saved_at, "bytes": r.nbytes, "seconds": r.seconds} for r in records]


def _words(cleaned: Cleaned, trial: bool) -> Iterator[str]:
    for record in cleaned.evicted:
        words = f"{record.task}, saved {record.saved_at[:16]}, {size(record.nbytes)}"
        yield f"{'would drop' if trial else 'dropped'} {words}: it saves the least computing for its bytes"
    if cleaned.displaced:
        yield f"{'would drop' if trial else 'dropped'} {count(len(cleaned.displaced), 'older version')}"
    if cleaned.journals or cleaned.leftovers:
        yield f"merged journals: {cleaned.journals}; removed leftovers of dead sessions: {cleaned.leftovers}"
    yield from (f"⚠ {problem}" for problem in cleaned.problems)
    yield f"{'would free' if trial else 'freed'} {size(cleaned.nbytes)} in {count(cleaned.objects, 'object')}"


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _versions(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of versions (1, 2, 3, …)")
    return int(text)
