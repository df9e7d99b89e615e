"""Whether a function or class of the notebook still has the code it had when a value was saved."""

from __future__ import annotations

import enum
import types
from typing import Any

from blake3 import blake3

# What the interpreter adds by itself, differs between versions, or says where the source stood.
_NO_MEMBERS = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__qualname__",
    "__firstlineno__",
    "__static_attributes__",
    "__annotations__",
    "__annotate__",
    "__annotate_func__",
    "__annotations_cache__",
    "__conditional_annotations__",
    "__classdictcell__",
    "__abstractmethods__",
    "_abc_impl",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__orig_bases__",
    "__parameters__",
    "__slotnames__",
}
_ATOMS = (int, float, complex, str, bytes, bool, type(None), type(...))


def code_fingerprint(value: object) -> str:
    """A digest of code, defaults and member names, without file names and line numbers.

    Two definitions with one fingerprint behave alike as far as their own code goes; in doubt they differ.
    """
    return blake3(repr(_described(value)).encode("utf-8", "surrogatepass")).hexdigest()


def _described(value: Any) -> Any:
    if isinstance(value, type):
        return _class(value)
    if isinstance(value, types.FunctionType):
        return ("function", _code(value.__code__), _plain(value.__defaults__), _plain(value.__kwdefaults__))
    if isinstance(value, staticmethod | classmethod):
        return (type(value).__name__, _described(value.__func__))
    if isinstance(value, property):
        return ("property", *(_described(part) for part in (value.fget, value.fset, value.fdel)))
    return _plain(value)


def _class(value: type) -> Any:
    if value.__module__ != "__main__":
        return (value.__module__, value.__qualname__)
    own = {name: item for name, item in vars(value).items() if name not in _NO_MEMBERS and not _added(item)}
    members = [(name, _member(value, item)) for name, item in sorted(own.items())]
    return ("class", type(value).__qualname__, [_class(base) for base in value.__bases__], members)


def _added(item: Any) -> bool:
    """Whether `typing` or `object` put this member there; it comes and goes while a class is used."""
    return isinstance(item, types.WrapperDescriptorType) or getattr(item, "__module__", None) == "typing"


def _member(owner: type, value: Any) -> Any:
    """Code counts; data of a class may change while it lives, so only an enum's values count."""
    if isinstance(value, types.FunctionType | staticmethod | classmethod | property):
        return _described(value)
    if isinstance(value, type) and value.__qualname__.startswith(f"{owner.__qualname__}."):
        return _class(value)
    return _plain(value.value) if isinstance(value, enum.Enum) else type(value).__qualname__


def _code(code: types.CodeType) -> Any:
    constants = [_code(item) if isinstance(item, types.CodeType) else _plain(item) for item in code.co_consts[1:]]
    # The first constant is the docstring, when there is one: it changes nothing that a value can show.
    constants.append(None if code.co_consts and isinstance(code.co_consts[0], str) else code.co_consts[:1])
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return ("code", code.co_name, code.co_code, constants, names, counts, code.co_exceptiontable)


def _plain(value: Any) -> Any:
    if type(value) in _ATOMS:
        return (type(value).__name__, repr(value))
    if type(value) in (tuple, list):
        return (type(value).__name__, [_plain(item) for item in value])
    if type(value) in (frozenset, set):
        return (type(value).__name__, sorted(repr(_plain(item)) for item in value))
    if type(value) is dict:
        return ("dict", [(_plain(key), _plain(item)) for key, item in value.items()])
    return (type(value).__module__, type(value).__qualname__)
