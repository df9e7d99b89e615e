"""Files that a task names in its code or its inputs: libraries that open files in C are not seen doing so."""

from __future__ import annotations

import ast
import functools
import os
import re
from collections.abc import Iterable
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import Any

from milepost.analysis.code import nested
from milepost.functions import RegisteredFunction
from milepost.notebook.observed.content import Signature, signature
from milepost.notebook.observed.places import Places
from milepost.notebook.stage import Plan

LONGEST = 1_000
"""Characters from which on a text is no path, and values from which on a container is not looked through."""


def named_files(plan: Plan, data: dict[str, Any], places: Places) -> dict[str, Signature | None]:
    """The paths that texts in the code, or among the inputs, name, with what is there: a file, or nothing."""
    values = [data[name] for name in plan.resolution.inputs if name in data]
    texts = [*constants(plan.definition.code), *(text for value in values for text in _texts(value))]
    paths = {os.path.abspath(text) for text in texts if len(text) < LONGEST and _PATH.fullmatch(text)}
    found = {path: signature(path) for path in paths if places.counts(path)}
    return {path: there for path, there in found.items() if there is None or not there.kind}


_PATH = re.compile(r"(?!\w+://)[^\n\0]*(?:[/\\][^\n\0]*|\.\w{1,10})")
"""What may be meant as the path of a file: it has a folder or a suffix, and is no address."""


@functools.lru_cache(maxsize=1_000)
def constants(code: str) -> tuple[str, ...]:
    """The texts in some code."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return ()
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return tuple(value for value in found if isinstance(value, str))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, PurePath):
        return (str(value),)
    if isinstance(value, RegisteredFunction):
        return _texts(value.function)
    if isinstance(value, FunctionType):
        return _of_code(value.__code__)
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) < LONGEST:
        items = value.values() if isinstance(value, dict) else value
        return [str(item) for item in items if isinstance(item, str | PurePath)]
    return ()


def _of_code(code: CodeType) -> list[str]:
    return [value for part in nested(code) for value in part.co_consts if isinstance(value, str)]
