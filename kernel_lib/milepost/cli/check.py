"""`milepost check`: prove that a killed and resumed notebook equals an uninterrupted one

Works on a copy of the notebook's folder, with a store of its own. Cells are counted from 1, code cells only.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from milepost.cli.say import say
from milepost.model.errors import UsageError
from milepost.model.sizes import parse_size

EACH = "each"


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--kill-after", metavar="K", default=EACH, type=_kills, help="kill after cell K (or K,L,…), or after each cell"
    )
    parser.add_argument("--timeout", metavar="S", type=_seconds, default=600.0, help="seconds that a cell may take")
    parser.add_argument("--kernel", metavar="NAME", default="", help="the kernel to use, instead of the notebook's")
    parser.add_argument("--root", metavar="FOLDER", type=Path, help="the folder to copy, where data lie above NB")
    parser.add_argument("--copy-limit", metavar="SIZE", type=_size, default="4GB", help="how much may be copied")
    parser.add_argument("--allow-errors", action="store_true", help="go on after a cell that fails")
    parser.add_argument("--auto", action="store_true", help="all cells are tasks, marked or not (`%%tasks auto on`)")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 for a wrong restore, or where the notebook fails."""
    # Here, since the other commands need no kernel.
    from milepost.checking.check import Check
    from milepost.checking.kernel import kernel_name
    from milepost.checking.report import report
    from milepost.checking.runs import Conductor
    from milepost.checking.source import read_source
    from milepost.checking.workplace import Workplace

    source = read_source(Path(options.place))
    kills = _within(options.kill_after, len(source.cells))
    name = kernel_name(options.kernel, source.kernel)
    with Workplace(source.path, options.root, options.copy_limit) as place:
        conductor = Conductor(place, name, options.timeout, options.allow_errors, _tell)
        verdict = Check(source, conductor, kills, _tell, options.auto)()
    if options.json:
        print(json.dumps(verdict.to_json(), indent=1))
    else:
        say(report(verdict))
    return 0 if verdict.good else 1


def _tell(words: str) -> None:
    """Progress, at once, wherever it goes."""
    say(words, sys.stderr)
    sys.stderr.flush()


def _within(asked: str | tuple[int, ...], count: int) -> tuple[int, ...]:
    kills = tuple(range(1, count + 1)) if isinstance(asked, str) else asked
    for number in kills:
        if not 1 <= number <= count:
            raise UsageError(f"--kill-after {number}: the notebook has {count} code cells, counted from 1")
    return kills


def _kills(text: str) -> str | tuple[int, ...]:
    words = text.split(",")
    if text == EACH:
        return text
    if not all(word.isdecimal() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is neither numbers of cells (3 or 3,7) nor 'each'")
    return tuple(int(word) for word in words)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
