"""`milepost verify`: check every byte of what is saved

Changes nothing. What is damaged is put aside when its task is saved again: then it is mentioned, and is no problem any
more, unless a result still needs it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from milepost.checkpoint.verify import Problem, Report, verify
from milepost.cli.place import find_store
from milepost.cli.say import say
from milepost.model.sizes import count, size


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one object")


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 where something is wrong now."""
    store = find_store(options.place)
    report = verify(store.path, store)
    if options.json:
        facts = asdict(report)
        print(json.dumps({"place": str(store.path), "bytes": facts.pop("nbytes"), **facts}, indent=1))
    else:
        say("\n".join([*map(_words, report.problems), *_put_aside(report), _total(report)]))
    return 1 if report.problems else 0


def _words(problem: Problem) -> str:
    lost = f"; of {', '.join(problem.tasks)}, which runs again when it is needed" if problem.tasks else ""
    return f"⚠ {problem.text}{lost}"


def _put_aside(report: Report) -> Iterator[str]:
    if number := len(report.quarantine):
        yield f"{count(number, 'file')} in quarantine, damaged earlier and put aside for 30 days"


def _total(report: Report) -> str:
    problems = count(len(report.problems), "problem") if report.problems else "no problem"
    return f"{count(report.records, 'result')}, {count(report.objects, 'object')}, {size(report.nbytes)}: {problems}"
