"""What a loop of a function reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from milepost.analysis.code import global_names
from milepost.analysis.digest import Digest, digest
from milepost.notebook.midway.leads import Leads
from milepost.notebook.midway.scopes import can_change, of_functions
from milepost.notebook.namespace import Namespace


@dataclass(frozen=True, slots=True)
class Reads:
    """What a loop of a function reads: objects by what leads to them, and variables of the notebook."""

    values: Mapping[str, Any]
    digests: Mapping[str, Digest]
    names: frozenset[str]

    @classmethod
    def of(cls, reads: set[str], bound: Mapping[str, Any], namespace: Namespace) -> Reads:
        """By the names in its body, and the local variables of the function."""
        local = {name: bound[name] for name in reads if name in bound}
        functions = dict(of_functions(local.values()))
        values = {name: value for name, value in {**functions, **local}.items() if can_change(value)}
        digests = {name: digest(value, namespace.home) for name, value in values.items()}
        code = [value.__code__ for value in (*local.values(), *functions.values()) if isinstance(value, FunctionType)]
        names = {*(reads - set(local)), *(name for each in code for name in global_names(each))}
        names |= {name for known in digests.values() for name in known.globals}
        names |= Leads((*local.values(), *namespace.read_by(names).values())).names
        theirs = {name: value for name, value in namespace.read_by(names).items() if can_change(value)}
        digests |= {name: digest(value, namespace.home) for name, value in theirs.items() if name not in values}
        return cls({**theirs, **values}, digests, frozenset(namespace.reach(names)))
