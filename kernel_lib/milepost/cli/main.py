"""The command line's entry point: which command, and with which exit code it ends."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType

from milepost.cli import check, forget, gc, key, ls, resolve, trust, verify
from milepost.cli.say import say
from milepost.model.errors import MilepostError, UsageError

FINE, WRONG, USAGE = 0, 1, 2
"""Exit codes."""

_WRITING = {errno.EROFS, errno.ENOSPC, errno.EDQUOT}

COMMANDS: tuple[ModuleType, ...] = (ls, check, gc, verify, trust, forget, resolve, key)
"""Each has `add`, which describes its arguments, `run`, which gives the exit code, and `PLACE` if it needs no store."""

_PLACE = "NB", "a notebook, or its .milepost folder"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 fine, 1 something is wrong, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    warnings.showwarning = lambda message, *where: say(f"milepost: {message}", sys.stderr)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _told(error, USAGE)
    except MilepostError as error:
        return _told(error, WRONG)
    except BrokenPipeError:
        # Who read the output has had enough (`| head`); Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except OSError as error:
        return _told(MilepostError(_refused(options.place, error)), WRONG)


def _refused(place: str, error: OSError) -> str:
    what = f"{error.filename}: " if error.filename else ""
    done = "cannot be written" if error.errno in _WRITING else "cannot be used"
    return (
        f"{place} {done} ({what}{error.strerror or error}): mend its permissions, run this as its owner, or on a copy"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("milepost", description="The saved results of a notebook's cells.")
    parser.add_argument("--version", action="version", version=f"milepost {version('milepost')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        summary = str(command.__doc__).partition("\n")[0].rpartition(": ")[2]
        described = commands.add_parser(name, help=summary, description=summary)
        metavar, words = getattr(command, "PLACE", _PLACE)
        described.add_argument("place", metavar=metavar, help=words)
        command.add(described)
        described.set_defaults(run=command.run)
    return parser


def _told(error: MilepostError, code: int) -> int:
    say(f"milepost: {error}", sys.stderr)
    return code
