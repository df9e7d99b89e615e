"""The words behind `%%task` and `%tasks`: parsed by one table each, refused with what was meant."""

from __future__ import annotations

import argparse
import ast
import difflib
import functools
import re
import shlex
from dataclasses import dataclass
from typing import Literal, NoReturn, cast

from milepost.model.errors import UsageError
from milepost.model.task import RetryPolicy


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What a `%%task` line says; `name` is empty when the cell shall name itself."""

    name: str = ""
    after: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    retry: RetryPolicy | None = None
    condition: str = ""
    priority: int = 0
    continue_on_error: bool = False
    force: bool = False
    save: Literal["auto", "always", "never"] = "auto"
    keep: int = 0
    files: tuple[str, ...] = ()
    timeout: float | None = None
    background: bool = False
    on: str = ""
    once: bool = False
    retry_on: tuple[str, ...] = ()
    """Names of the errors after which it is tried again."""

    @property
    def place(self) -> str:
        """The executor that runs the body: "main" is the thread that runs cells."""
        return self.on or ("threads" if self.background else "main")


class _Parser(argparse.ArgumentParser):
    """Raises instead of leaving the process, and guesses what was meant."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%{self.prog}: {message}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in (word.strip() for word in text.split(",")) if part)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of times (0, 1, 2, …)")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _versions(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of versions (1, 2, 3, …)")
    return int(text)


def _limit(text: str) -> float:
    value = _seconds(text)
    if not value:
        raise argparse.ArgumentTypeError("0 seconds are no time to run in")
    return value


def _place(text: str) -> str:
    if text == "dask":
        raise argparse.ArgumentTypeError(f"dask is not there yet; there are {', '.join(PLACES)}")
    if text not in PLACES:
        raise argparse.ArgumentTypeError(f"there is no {text!r}; there are {', '.join(PLACES)}")
    return text


PLACES = ("main", "threads", "processes")
"""Where a body may run."""


def _expression(text: str) -> str:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        raise argparse.ArgumentTypeError(f"{text} is not a Python expression") from None
    return text


def _cell_parser() -> _Parser:
    parser = _Parser(prog="task", add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--after", type=_names, default=(), metavar="A,B")
    parser.add_argument("--in", dest="inputs", type=_names, default=(), metavar="X,Y")
    parser.add_argument("--out", dest="outputs", type=_names, default=(), metavar="X,Y")
    parser.add_argument("--retries", type=_count, default=0, metavar="N")
    parser.add_argument("--delay", type=_seconds, default=0.0, metavar="S")
    parser.add_argument("--backoff", choices=["fixed", "exponential"], default="fixed")
    parser.add_argument("--if", dest="condition", type=_expression, default=None, metavar="EXPR")
    parser.add_argument("--priority", type=int, default=0, metavar="N")
    parser.add_argument("--continue-on-error", action="store_true")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--save", choices=["auto", "always", "never"], default="auto")
    parser.add_argument("--keep", type=_versions, default=0, metavar="N")
    parser.add_argument("--files", action="append", default=[], metavar="GLOB")
    parser.add_argument("--timeout", type=_limit, default=None, metavar="S")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--retry-on", type=_names, default=(), metavar="ERROR,…")
    parser.add_argument("--bg", dest="background", action="store_true")
    parser.add_argument("--on", type=_place, default=None, metavar="|".join(PLACES))
    return parser


CELL_PARSER = _cell_parser()


@functools.lru_cache(maxsize=1_000)
def parse_cell_options(line: str) -> CellOptions:
    """The options of one `%%task` line.

    Raises
    ------
    UsageError
        For an unknown option, a second name or a value that does not fit; it names what is wrong and what there is.
    """
    words = _split(line, "%%task")
    known, unknown = CELL_PARSER.parse_known_args(words)
    if unknown:
        raise UsageError(_unknown(unknown))
    if known.background and known.on == "main":
        raise UsageError("%%task --bg cannot run --on main, where cells run; leave one out, or say --on threads")
    if problem := _contradiction(known):
        raise UsageError(f"%%task {problem}")
    return CellOptions(
        name=known.name,
        after=known.after,
        inputs=known.inputs,
        outputs=known.outputs,
        retry=RetryPolicy(known.retries + 1, known.delay, known.backoff) if known.retries else None,
        condition=known.condition or "",
        priority=known.priority,
        continue_on_error=known.continue_on_error,
        force=known.force,
        save=cast(Literal["auto", "always", "never"], known.save),
        keep=known.keep,
        files=tuple(known.files),
        timeout=known.timeout,
        background=known.background,
        on=known.on or "",
        once=known.once,
        retry_on=known.retry_on,
    )


def _contradiction(known: argparse.Namespace) -> str:
    """What of the options says two things at once."""
    if known.retry_on and not (known.retries or known.once):
        return "--retry-on says after which errors to try again: add --retries N"
    if known.once and not known.name:
        return "--once needs a name before it: that is what it is known by, whatever its code is later"
    if known.once and known.force:
        return "--once --force: what happens once is not forced; `%tasks forget NAME` has it happen again"
    if known.once and known.continue_on_error:
        return "--once --continue-on-error: what comes after it waits while it is in doubt; leave one of them out"
    if known.once and known.retries and not known.retry_on:
        return (
            "--once --retries: it is tried again only after errors that say that nothing has happened yet; name them, "
            "as in --retry-on ConnectionRefusedError"
        )
    return ""


def _unknown(words: list[str]) -> str:
    there_are = [text for action in CELL_PARSER._actions for text in action.option_strings]
    options = [word for word in words if word.startswith("-")]
    if not options:
        return f"%%task takes one name; {words[0]!r} is one too many. Put the name first, then options"
    near = [difflib.get_close_matches(option, there_are, 2, 0.7) for option in options]
    hints = [f"{o} (did you mean {' or '.join(n)}?)" if n else o for o, n in zip(options, near, strict=True)]
    return f"%%task does not know {', '.join(hints)}. Options: {' '.join(there_are)}"


def _split(line: str, magic: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{magic}: {error} in {line!r}") from None


COMMANDS = (
    *("status", "run", "pause", "resume", "cancel", "restore", "why"),
    *("forget", "resolve", "trust", "auto", "config"),
)
"""What `%tasks` does besides showing the widget."""


@dataclass(frozen=True, slots=True)
class Command:
    """One `%tasks` line: its verb ("" shows the widget), the names behind it, and whether JSON is wanted."""

    verb: str = ""
    names: tuple[str, ...] = ()
    json: bool = False
    order: int = 0
    """What a page has asked to be run."""
    done: bool = False
    """Of `resolve`: whether the task has had its effect."""
    value: str = ""
    """Of `resolve`: what it left, an expression."""


_ITEM = re.compile(r"(?<!\S)([^\s'\"\[]+\[.*?\])(?!\S)")
"""The name of a map's item, `fetch['a b']`: its quotes belong to it."""


_ORDER = re.compile(r"run --order ([0-9]{1,18})")


def parse_command(line: str) -> Command:
    """A `%tasks` line; raises `UsageError` for a verb or flag that does not exist."""
    asked = _ORDER.fullmatch(line.strip())
    if asked:
        return Command("run", order=int(asked[1]))
    if resolve := _RESOLVE.match(line):
        return _resolution(resolve[1])
    pieces = enumerate(_ITEM.split(line))
    words = [word for place, text in pieces for word in ([text] if place % 2 else _split(text, "%tasks"))]
    flags = [word for word in words if word.startswith("-")]
    names = [word for word in words if not word.startswith("-")]
    verb = names[0] if names else ""
    if verb and verb not in COMMANDS:
        near = difflib.get_close_matches(verb, COMMANDS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"%tasks does not know {verb!r}{hint}. Commands: {', '.join(COMMANDS)}, or none for the graph")
    wrong = [flag for flag in flags if flag != "--json" or verb not in {"status", "why"}]
    if wrong:
        raise UsageError(f"%tasks {verb} does not know {', '.join(wrong)}; only status and why take --json")
    if verb in {"why", "forget"} and len(names) < 2:
        raise UsageError(f"%tasks {verb} needs the name of a task")
    if verb == "auto" and (len(names) > 2 or not {*names[1:]} <= SWITCH):
        raise UsageError(f"%tasks auto takes on or off, or nothing to tell which it is; not {' '.join(names[1:])!r}")
    if verb == "config":
        _require_settings(names[1:])
    return Command(verb, tuple(names[1:]), "--json" in flags)


_RESOLVE = re.compile(r"\s*resolve\b(.*)", re.DOTALL)
_HOW = re.compile(r"(?P<name>\S.*?)\s+(?P<how>done|rerun)\b\s*(?P<value>.*)", re.DOTALL)
RESOLVE = (
    "%tasks resolve takes the name of a task, and done or rerun; after done, what it left: resolve NAME done VALUE"
)


def _resolution(text: str) -> Command:
    """The task, the decision, and the expression behind it, which is none of our words."""
    found = _HOW.fullmatch(text.strip())
    if not found:
        raise UsageError(RESOLVE)
    name = found["name"] if _ITEM.fullmatch(found["name"]) else " ".join(_split(found["name"], "%tasks"))
    if found["how"] == "rerun" and found["value"]:
        raise UsageError(f"%tasks resolve {found['name']} rerun takes no value: it leaves one itself")
    return Command("resolve", (name,), done=found["how"] == "done", value=found["value"])


SWITCH = {"on", "off"}

SETTINGS = ("size-limit",)
"""What `%tasks config` knows."""


def _require_settings(words: list[str]) -> None:
    for word in words:
        key, sign, _ = word.partition("=")
        if not sign:
            raise UsageError(f"%tasks config takes KEY=VALUE, such as size-limit=5GB; {word!r} is none")
        if key not in SETTINGS:
            near = difflib.get_close_matches(key, SETTINGS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"%tasks config does not know {key!r}{hint}. There is: {', '.join(SETTINGS)}")
