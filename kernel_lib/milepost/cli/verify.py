"""`milepost verify`: check every byte of what is saved

Changes nothing. What is damaged is put aside when its task is saved again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from milepost.checkpoint.verify import Problem, Report, verify
from milepost.cli.place import find_store
from milepost.cli.say import say
from milepost.widget.words import size


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one object")


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 where something is wrong."""
    store = find_store(options.place)
    report = verify(store.path, store)
    if options.json:
        print(json.dumps({**asdict(report), "place": str(store.path)}, indent=1))
    else:
        say("\n".join([*map(_words, report.problems), _total(report)]))
    return 1 if report.problems else 0


def _words(problem: Problem) -> str:
    lost = f"; of {', '.join(problem.tasks)}, which runs again when it is needed" if problem.tasks else ""
    return f"⚠ {problem.text}{lost}"


def _total(report: Report) -> str:
    problems = "no problem" if not report.problems else f"{len(report.problems)} problems"
    return f"{report.records} results, {report.objects} objects, {size(report.nbytes)}: {problems}"
