"""Values as lines of text that two processes can compare, written without Milepost.

Which objects are one and the same shows too: whatever can change is numbered where it is first met and named by its
number from then on, so that two names for one list look different from two equal lists.
"""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

ATOMS = (type(None), bool, int, str, bytes, type(Ellipsis), type(NotImplemented))
MAX_DEPTH = 100


def described(values: Mapping[str, Any]) -> list[str]:
    """All of these values, by name."""
    walk = _Walk()
    for name in sorted(values):
        walk.item(name, values[name])
    return walk.lines


class _Walk:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[int, int] = {}
        self._held: list[Any] = []
        self._depth = 0

    def item(self, label: str, value: Any) -> None:
        kind = type(value)
        if kind in ATOMS:
            self.say(f"{label}: {kind.__name__} {value!r}")
        elif kind in (float, complex):
            self.say(
                f"{label}: {kind.__name__} {value.hex() if kind is float else (value.real.hex(), value.imag.hex())}"
            )
        elif kind in (tuple, frozenset):
            self.say(f"{label}: {kind.__name__} of {len(value)}")
            self.inside(_sorted(value) if kind is frozenset else enumerate(value))
        elif id(value) in self._numbers:
            self.say(f"{label}: again #{self._numbers[id(value)]}")
        else:
            self._numbers[id(value)] = len(self._numbers)
            self._held.append(value)
            self._new(f"{label}: #{self._numbers[id(value)]}", value)

    def say(self, text: str) -> None:
        self.lines.append("  " * self._depth + text)

    def inside(self, items: Iterable[tuple[Any, Any]]) -> None:
        self._depth += 1
        if self._depth < MAX_DEPTH:
            for label, value in items:
                self.item(str(label), value)
        self._depth -= 1

    def _new(self, label: str, value: Any) -> None:
        kind = type(value)
        if isinstance(value, types.ModuleType):
            self.say(f"{label} module {value.__name__}")
        elif isinstance(value, types.FunctionType):
            self._function(label, value)
        elif isinstance(value, type):
            self._class(label, value)
        elif isinstance(value, types.MethodType):
            self.say(f"{label} method {value.__func__.__qualname__}")
            self.inside([("self", value.__self__)])
        elif (numpy := sys.modules.get("numpy")) and isinstance(value, numpy.ndarray):
            self._array(label, value)
        elif (pandas := sys.modules.get("pandas")) and isinstance(
            value, pandas.DataFrame | pandas.Series | pandas.Index
        ):
            self._pandas(label, value, pandas)
        elif kind in (list, dict, set):
            self.say(f"{label} {kind.__name__} of {len(value)}")
            self.inside(_content(value))
        else:
            self._object(label, value)

    def _function(self, label: str, function: types.FunctionType) -> None:
        code = _code(function.__code__, function.__doc__)
        self.say(f"{label} function {function.__qualname__} {hashlib.md5(repr(code).encode()).hexdigest()}")
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        self.inside([("defaults", function.__defaults__), ("keywords", function.__kwdefaults__)])
        self.inside((name, _cell(cell)) for name, cell in cells)
        self.inside(vars(function).items())

    def _class(self, label: str, cls: type) -> None:
        self.say(f"{label} class {cls.__module__}.{cls.__qualname__}")
        if cls.__module__ == "__main__":
            self.inside((base.__qualname__, base) for base in cls.__bases__)
            self.inside((name, item) for name, item in sorted(vars(cls).items()) if not name.startswith("_"))

    def _array(self, label: str, array: Any) -> None:
        if array.dtype.hasobject:
            self.say(f"{label} {type(array).__qualname__} {array.dtype} {array.shape}")
            self.inside([("items", array.tolist())])
            return
        content = hashlib.md5(array.tobytes()).hexdigest()
        self.say(f"{label} {type(array).__qualname__} {array.dtype} {array.shape} {array.flags.writeable} {content}")
        self.inside([("mask", sys.modules["numpy"].ma.getmaskarray(array))] if hasattr(array, "mask") else [])

    def _pandas(self, label: str, value: Any, pandas: Any) -> None:
        self.say(f"{label} {type(value).__qualname__} {getattr(value, 'dtype', '')} {value.shape}")
        if isinstance(value, pandas.Index):
            self.inside(
                [
                    ("names", list(value.names)),
                    ("values", repr(value.tolist())),
                    ("freq", repr(getattr(value, "freq", ""))),
                ]
            )
            return
        self.inside([("index", value.index), ("attrs", value.attrs)])
        if isinstance(value, pandas.Series):
            self.inside([("name", value.name), ("values", repr(value.tolist()))])
            return
        self.inside([("columns", value.columns)])
        for place in range(value.shape[1]):
            column = value.iloc[:, place]
            self.inside([(str(column.dtype), repr(column.tolist()))])

    def _object(self, label: str, value: Any) -> None:
        self.say(f"{label} {type(value).__module__}.{type(value).__qualname__} {_shown(value)}")
        self.inside([("class", type(value))] if type(value).__module__ == "__main__" else [])
        if isinstance(value, list | dict | set):
            self.inside(_content(value))
        if isinstance(getattr(value, "__dict__", None), dict):
            self.inside(sorted(vars(value).items()))
        slots = [
            name for cls in type(value).__mro__ for name in vars(cls).get("__slots__", ()) if isinstance(name, str)
        ]
        if type(value).__module__ == "__main__":
            self.inside((name, getattr(value, name)) for name in slots if hasattr(value, name))


def _content(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return ((f"{type(key).__name__} {_shown(key)}", item) for key, item in value.items())
    return _sorted(value) if isinstance(value, set) else enumerate(value)


def _shown(value: Any) -> str:
    """What a value says of itself, unless that tells where it lies; a set has no order."""
    if isinstance(value, frozenset):
        return f"frozenset of {sorted(map(_shown, value))}"
    text = repr(value) if type(value).__repr__ is not object.__repr__ else ""
    return "" if " at 0x" in text else text


def _sorted(items: Iterable[Any]) -> list[tuple[str, Any]]:
    """A set has no order of its own."""
    return (
        sorted(("member", item) for item in items)
        if _sortable(items)
        else [("member", i) for i in sorted(items, key=repr)]
    )


def _sortable(items: Iterable[Any]) -> bool:
    try:
        sorted(items)
    except TypeError:
        return False
    return True


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return ...


def _code(code: types.CodeType, docstring: str | None) -> Any:
    """What a function does; not what it says of itself."""
    constants = [_code(item, None) if isinstance(item, types.CodeType) else _constant(item) for item in code.co_consts]
    kept = [item for item in constants if item not in (repr(docstring), repr(None))]
    return (code.co_name, code.co_varnames, code.co_names, code.co_freevars, kept)


def _constant(item: Any) -> str:
    return repr(sorted(item, key=repr)) if isinstance(item, frozenset) else repr(item)
