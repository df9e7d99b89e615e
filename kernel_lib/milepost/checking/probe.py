"""Runs inside the kernel that is checked: tells what it holds, and changes nothing there.

It is called in an expression that the kernel evaluates beside its cells, so that it binds no name and no history is
kept; it draws no random number and shows nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from milepost.analysis.digest import outline
from milepost.checking.aliases import shared
from milepost.checking.parts import kind_of, parts
from milepost.hashing import hexdigest
from milepost.notebook.namespace import Namespace
from milepost.notebook.random_state import read_states, state_digests

_OWN = ("PYTHONHASHSEED", "MILEPOST_", "JPY_", "KERNEL_")
"""How names of environment variables begin that differ between kernels by themselves."""


def answer(path: str, question: str) -> None:
    """Write the answer to a question of `CheckKernel.ask` into a file."""
    namespace = Namespace(sys.modules["IPython"].get_ipython())
    asked = json.loads(question)
    known = asked.get("parts")
    found = _parts(namespace, known) if known is not None else _snapshot(namespace)
    Path(path).write_text(json.dumps(found), "utf-8", "surrogatepass")


def _snapshot(namespace: Namespace) -> dict[str, Any]:
    names = namespace.names()
    return {
        "values": {name: _value(namespace, name) for name in names},
        "shared": shared({name: namespace.data[name] for name in names}),
        "process": {**_environment(), "working directory": _folder(), **_generators()},
        "tasks": _tasks(),
    }


def _value(namespace: Namespace, name: str) -> list[str]:
    """Type, digest, outline, and why there is no digest."""
    value = namespace.data[name]
    found = namespace.digest(name)
    blurred = "" if found.hex else outline(value, namespace.home)
    return [kind_of(value), found.hex, blurred, found.opaque]


def _parts(namespace: Namespace, names: Iterable[str]) -> dict[str, Any]:
    """What some values are made of."""
    return {name: parts(namespace.data[name], namespace.home) for name in names if name in namespace.data}


def _environment() -> dict[str, str]:
    """Hashes, as values may be secrets."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    return {f"environment variable {name}": hexdigest(os.fsencode(value)) for name, value in known.items()}


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        return str(error)


def _generators() -> dict[str, str]:
    return {f"random generator of {name!r}": state for name, state in state_digests(read_states()).items()}


def _tasks() -> list[dict[str, Any]]:
    """The rows of `%tasks status --json`, where Milepost is loaded."""
    extension = getattr(sys.modules["IPython"].get_ipython(), "_milepost_extension", None)
    return [view.to_json() for view in extension.session.views()] if extension is not None else []
