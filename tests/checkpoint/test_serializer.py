"""Values of a notebook come back as they were, or are named and left out."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import ctypes
import itertools
import json
import mmap
import os
import pickle
import queue
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import typing
import weakref
from collections import UserDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers import links, parts
from milepost.checkpoint.serializers.depth import bounded_depth
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.checkpoint.serializers.pickler import NotebookPickler
from milepost.model.errors import SerializationError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

from .serializing import Kernel, restored, round_trip, unsaved


class TestFunctions:
    def test_globals_are_the_live_namespace(self) -> None:
        ns = restored("def f():\n    return later + 1", "f", before="later = 1")
        assert ns["f"].__globals__ is ns
        ns["later"] = 41
        assert ns["f"]() == 42

    def test_no_globals_are_copied_and_the_namespace_stays_as_it_was(self) -> None:
        old = Kernel("big = np.zeros(10**6)", "def f():\n    return big")
        new = Kernel()
        before = dict(new.ns)
        dump = old.dump("f")
        assert len(dump.blob.stream) < 2000
        assert dump.blob.buffers == ()
        new.load(dump.blob)
        del new.ns["f"]
        assert new.ns == before
        assert new.ns["__builtins__"] is before["__builtins__"]

    def test_recursion_and_mutual_recursion(self) -> None:
        ns = restored(
            """
            def fact(n): return 1 if n < 2 else n * fact(n - 1)
            def even(n): return n == 0 or odd(n - 1)
            def odd(n): return n != 0 and even(n - 1)
            def outer():
                def inner(n): return 1 if n < 2 else n * inner(n - 1)
                return inner
            inner = outer()
            """,
            *("fact", "even", "odd", "inner"),
        )
        assert (ns["fact"](5), ns["even"](10), ns["odd"](7), ns["inner"](5)) == (120, True, True, 120)

    def test_closures_share_their_variable(self) -> None:
        ns = restored(
            """
            def counter():
                n = 0
                def more():
                    nonlocal n
                    n += 1
                def value(): return n
                return more, value
            more, value = counter()
            """,
            *("more", "value"),
        )
        ns["more"]()
        assert ns["value"]() == 1

    def test_everything_of_a_function_is_kept(self) -> None:
        ns = restored(
            """
            def f(a: int, b=[1], *args, c={"k": 1}, **kw) -> str:
                "Doc."
                return a, b, args, c, kw
            f.note = "mine"
            g = lambda x, y=2: (x, y)
            async def h(): return 1
            def gen(): yield 1
            """,
            *("f", "g", "h", "gen"),
        )
        f = ns["f"]
        assert f(1) == (1, [1], (), {"k": 1}, {})
        assert (f.__doc__, f.note, f.__annotations__) == ("Doc.", "mine", {"a": int, "return": str})
        assert (f.__name__, f.__module__) == ("f", "__main__")
        assert f.__code__.co_filename.startswith("<cell ")
        assert ns["g"](1) == (1, 2)
        assert asyncio.run(ns["h"]()) == 1
        assert list(ns["gen"]()) == [1]

    def test_an_uninitialised_cell(self) -> None:
        ns = restored("def o():\n    if 0: x = 1\n    return lambda: x\nf = o()", "f")
        with pytest.raises(NameError):
            ns["f"]()

    def test_a_wrapper_of_a_library_keeps_the_librarys_globals(self) -> None:
        ns = restored("import contextlib\n@contextlib.contextmanager\ndef f():\n    yield 3", "f")
        assert ns["f"].__globals__ is sys.modules["contextlib"].__dict__
        with ns["f"]() as value:
            assert value == 3

    def test_cached_partial_and_bound(self) -> None:
        ns = restored(
            """
            @functools.lru_cache(maxsize=7)
            def f(x): return x * 2
            p = functools.partial(f, 4)
            class A:
                def m(self): return self.v
            a = A(); a.v = 5
            m = a.m
            """,
            *("f", "p", "A", "a", "m"),
        )
        assert (ns["f"](1), ns["p"](), ns["m"]()) == (2, 8, 5)
        assert ns["p"].func is ns["f"]
        assert ns["m"].__self__ is ns["a"]
        assert ns["f"].cache_parameters()["maxsize"] == 7

    def test_a_function_of_the_notebook_inside_a_value_is_the_live_one(self) -> None:
        ns = restored("step = [f]", "step", before="def f(): return 1")
        assert ns["step"][0] is ns["f"]

    def test_an_edited_function_inside_a_value_is_the_saved_one(self) -> None:
        old, new = Kernel("def f(): return 1", "step = [f]"), Kernel("def f(): return 2")
        new.load(old.dump("step").blob)
        assert (new.ns["step"][0](), new.ns["f"]()) == (1, 2)


CLASSES = {
    "plain": "class C:\n    def __init__(self, x=1): self.x = x\n    def get(self): return self.x",
    "dataclass": "@dataclasses.dataclass\nclass C:\n    x: int = 1\n    y: list = dataclasses.field("
    "default_factory=list)\n"
    "    def get(self): return self.x",
    "slots": "@dataclasses.dataclass(slots=True)\nclass C:\n    x: int = 1\n    def get(self): return self.x",
    "own slots": "class C:\n    __slots__ = ('x',)\n    def __init__(self): self.x = 1\n"
    "    def get(self): return self.x",
    "subclass": "class B:\n    def get(self): return self.x\nclass C(B):\n    x = 1\n"
    "    def get(self): return super().get()",
    "abstract": "class B(abc.ABC):\n    @abc.abstractmethod\n    def get(self): ...\nclass C(B):\n"
    "    def get(self): return 1",
    "of a library": "class C(dict):\n    def get(self): return 1",
    "metaclass": "class M(type):\n    def __call__(cls): return super().__call__()\nclass C(metaclass=M):\n"
    "    def get(self): return 1",
    "property": "class C:\n    @property\n    def x(self): return 1\n    @staticmethod\n    def s(): return 1\n"
    "    @classmethod\n    def c(cls): return cls.s()\n    def get(self): return self.x * self.c()",
    "self-reference": "class C:\n    def get(self): return 1\n    def me(self): return __class__\nC.child = C",
    "generic": "T = typing.TypeVar('T')\nclass C(typing.Generic[T]):\n    def get(self): return 1",
    "nested": "class O:\n    class C:\n        def get(self): return 1\nC = O.C",
    "named tuple": "class C(typing.NamedTuple):\n    x: int = 1\n    def get(self): return self.x",
    "exception": "class C(Exception):\n    def get(self): return 1",
    "array": "class C(np.ndarray):\n    def __new__(cls): return np.arange(3).view(cls)\n"
    "    def get(self): return int(self[1])",
    "protocol": "@typing.runtime_checkable\nclass P(typing.Protocol):\n    def get(self): ...\nclass C(P):\n"
    "    def get(self): return 1",
}


@pytest.mark.parametrize("source", CLASSES.values(), ids=CLASSES.keys())
class TestClasses:
    def test_an_instance_gets_the_live_class(self, source: str) -> None:
        old, new = Kernel(source, "c = C()"), Kernel(source)
        live = new.ns["C"]
        before = {name: id(item) for name, item in vars(live).items()}
        new.load(old.dump("c").blob)
        assert type(new.ns["c"]) is live
        assert new.ns["c"].get() == 1
        assert {name: id(item) for name, item in vars(live).items()} == before

    def test_without_a_live_class_it_brings_its_own(self, source: str) -> None:
        old, new = Kernel(source, "c = C()"), Kernel()
        new.load(old.dump("c").blob)
        assert new.ns["c"].get() == 1
        assert type(new.ns["c"]).__qualname__ == old.ns["C"].__qualname__
        assert hasattr(new.ns["c"], "__dict__") == hasattr(old.ns["c"], "__dict__")

    def test_an_edited_live_class_is_left_alone(self, source: str) -> None:
        edited = source.replace("def get(self):", "def get(self, more=1):")
        old, new = Kernel(source, "c = C()"), Kernel(edited)
        live = new.ns["C"]
        before = {name: id(item) for name, item in vars(live).items()}
        new.load(old.dump("c").blob)
        assert type(new.ns["c"]) is not live
        assert {name: id(item) for name, item in vars(live).items()} == before

    def test_a_class_that_the_task_made_is_bound(self, source: str) -> None:
        old, new = Kernel(source, "c = C()"), Kernel(source)
        live = new.ns["C"]
        new.load(old.dump("C", "c").blob)
        assert new.ns["C"] is not live
        assert type(new.ns["c"]) is new.ns["C"]
        assert new.ns["C"]().get() == 1

    def test_in_the_same_kernel_twice(self, source: str) -> None:
        kernel = Kernel(source, "c = C()")
        live = kernel.ns["C"]
        dump = kernel.dump("c")
        for _ in range(2):
            kernel.load(dump.blob)
            assert type(kernel.ns["c"]) is live

    def test_a_bound_copy_matches_later_instances(self, source: str) -> None:
        old, new = Kernel(source, "c = C()"), Kernel()
        outer = old.ns["C"].__qualname__.split(".")[0]
        first, second = old.dump(outer), old.dump("c")
        new.load(first.blob)
        new.load(second.blob)
        live = new.ns["O"].C if outer == "O" else new.ns["C"]
        assert type(new.ns["c"]) is live


def test_an_instance_of_a_class_that_was_defined_anew_keeps_its_own() -> None:
    source = "class C:\n    def get(self): return 1"
    old, new = Kernel(source, "c = C()", source), Kernel(source)
    new.load(old.dump("c").blob)
    assert type(new.ns["c"]) is not new.ns["C"]
    assert new.ns["c"].get() == 1


class TestEnums:
    SOURCE = "class E(enum.Enum):\n    A = 1\n    B = 2\n    def twice(self): return self.value * 2"

    @pytest.mark.parametrize("base", ["enum.Enum", "enum.IntEnum", "enum.Flag", "enum.IntFlag"])
    def test_members(self, base: str) -> None:
        source = self.SOURCE.replace("enum.Enum", base)
        ns = restored("e = E.B\nboth = {E.A: 1}", "e", "both", before=source)
        assert ns["e"] is ns["E"].B
        assert ns["both"] == {ns["E"].A: 1}

    def test_by_value(self) -> None:
        ns = restored(self.SOURCE + "\ne = E.B", "E", "e")
        assert ns["e"] is ns["E"].B
        assert ns["e"].twice() == 4

    def test_edited_values_are_another_enum(self) -> None:
        old, new = Kernel(self.SOURCE, "e = E.B"), Kernel(self.SOURCE.replace("B = 2", "B = 3"))
        new.load(old.dump("e").blob)
        assert new.ns["e"].value == 2
        assert new.ns["E"].B.value == 3


class TestSharing:
    def test_between_outputs(self) -> None:
        ns = restored("a = [1]; b = {'a': a}; c = (a, b)", "a", "b", "c")
        assert ns["b"]["a"] is ns["a"]
        assert ns["c"][1] is ns["b"]

    def test_between_outputs_when_another_cannot_be_saved(self) -> None:
        kernel = Kernel("a = [1]; b = [a]; g = (a for _ in b)")
        dump = kernel.dump("a", "g", "b")
        values = kernel.serializer.load(dump.blob)
        assert list(values) == ["a", "b"]
        assert values["b"][0] is values["a"]

    @pytest.mark.parametrize("made", ["[1]", "{1: 2}", "{1}", "bytearray(b'x')", "np.zeros(3)", "(1, [2])", "C()", "f"])
    def test_identity_with_an_input(self, made: str) -> None:
        before = "class C: pass\ndef f(): pass"
        old, new = Kernel(before, f"data = {made}\nother = 1"), Kernel(before, f"data = {made}")
        old.run("model = {'data': data}; same = data; unrelated = [2]")
        dump = old.dump("model", "same", "unrelated", shared=("data", "other"))
        assert dump.shared == ("data",)
        new.load(dump.blob)
        assert new.ns["model"]["data"] is new.ns["same"] is new.ns["data"]

    def test_inputs_that_are_not_held_are_not_named(self) -> None:
        assert Kernel("a = [1]; b = [1]").dump("b", shared=("a",)).shared == ()

    def test_a_missing_input_is_an_error(self) -> None:
        kernel = Kernel("a = [1]; b = [a]")
        with pytest.raises(SerializationError, match="input 'a'"):
            kernel.serializer.load(kernel.dump("b", shared=("a",)).blob)

    def test_sharing_with_a_frame(self) -> None:
        kernel = Kernel("import pandas as pd; df = pd.DataFrame({'a': [1]}); model = {'df': df}")
        dump = kernel.dump("model", shared=("df",))
        kernel.ns["model"] = None
        kernel.load(dump.blob)
        assert kernel.ns["model"]["df"] is kernel.ns["df"]


class TestOrdinary:
    @pytest.mark.parametrize(
        "value",
        [None, 1, 2.5, "ü", b"x", [1, [2]], {"a": {1, 2}}, (1,), 10**100, range(5), slice(1, 2), ..., complex(1, 2)],
    )
    def test_plain(self, value: Any) -> None:
        found = round_trip(value)
        assert (found, type(found)) == (value, type(value))

    def test_modules_are_references(self) -> None:
        assert round_trip(np) is np
        assert round_trip(np.linalg) is np.linalg

    def test_types_and_builtins(self) -> None:
        for value in (int, len, np.float32, pd.DataFrame, type(None), list[int], int | None, Path("x")):
            assert round_trip(value) == value

    def test_views_of_a_dict_follow_it(self) -> None:
        ns = restored("d = {1: 2}; k = d.keys(); v = d.values(); i = d.items()", *"dkvi")
        ns["d"][3] = 4
        assert (list(ns["k"]), list(ns["v"]), list(ns["i"])) == ([1, 3], [2, 4], [(1, 2), (3, 4)])

    def test_a_whole_memoryview_follows_its_object(self) -> None:
        ns = restored("b = bytearray(b'abc'); m = memoryview(b)", "b", "m")
        ns["m"][0] = 65
        assert ns["b"] == b"Abc"

    def test_standard_streams_are_references(self) -> None:
        assert round_trip([sys.__stdout__ is not None]) == [True]
        assert round_trip({"out": sys.stdout})["out"] is sys.stdout

    def test_the_environment_is_a_reference(self) -> None:
        assert round_trip({"env": os.environ})["env"] is os.environ

    def test_a_new_type(self) -> None:
        assert restored("N = typing.NewType('N', int)", "N")["N"](3) == 3


class TestExceptions:
    def test_cause_context_and_notes_are_kept(self) -> None:
        try:
            try:
                {}["x"]
            except KeyError as error:
                raise ValueError("y") from error
        except ValueError as error:
            error.add_note("note")
            found = round_trip({"error": error, "cause": error.__cause__})
        assert repr(found["error"]) == "ValueError('y')"
        assert found["error"].__cause__ is found["error"].__context__ is found["cause"]
        assert (found["error"].__notes__, found["error"].__suppress_context__) == (["note"], True)

    def test_one_whose_init_asks_for_something_else(self) -> None:
        source = """
            class E(Exception):
                def __init__(self, code, detail):
                    super().__init__(f"{code}: {detail}")
                    self.code = code
            class F(E, OSError):
                pass
            e = [E(3, "x"), F(4, "y")]
            """
        first, second = restored(source, "e")["e"]
        assert (str(first), first.code, str(second), second.code) == ("3: x", 3, "4: y", 4)

    @pytest.mark.parametrize(
        "error",
        [
            OSError(2, "no", "file"),
            UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
            SyntaxError("bad", ("f", 1, 2, "text")),
            StopIteration(5),
            SystemExit(3),
            ExceptionGroup("g", [ValueError(1)]),
            ImportError("m", name="n"),
            json.JSONDecodeError("m", "doc", 1),
        ],
        ids=repr,
    )
    def test_of_python(self, error: BaseException) -> None:
        found = round_trip(error)
        assert (repr(found), str(found), vars(found)) == (repr(error), str(error), vars(error))
        names = ("errno", "filename", "start", "lineno", "value", "code", "exceptions", "name")
        assert [repr(getattr(found, name, None)) for name in names] == [
            repr(getattr(error, name, None)) for name in names
        ]


class TestUnusual:
    def test_an_instance_with_a_cached_property(self) -> None:
        source = "class C:\n    n = 0\n    @functools.cached_property\n    def p(self): self.n += 1; return self.n"
        ns = restored("c = C(); c.p; d = C()", "C", "c", "d", before=source)
        assert (ns["c"].p, ns["d"].p, ns["d"].p, ns["C"]().p) == (1, 1, 1, 1)

    def test_a_function_for_each_type(self) -> None:
        source = """
            @functools.singledispatch
            def f(x): return "any"
            @f.register
            def _(x: int): return "int"
            f(1)
            """
        ns = restored(source, "f")
        assert (ns["f"](1), ns["f"]("x")) == ("int", "any")

    def test_typed_dicts_and_type_parameters(self) -> None:
        source = """
            class T(typing.TypedDict, total=False):
                a: int
            class U(T):
                b: typing.Required[str]
            P = typing.ParamSpec("P"); Ts = typing.TypeVarTuple("Ts"); V = typing.TypeVar("V", bound=int)
            def f(g: typing.Callable[P, V]) -> V: ...
            """
        ns = restored(source, "T", "U", "P", "Ts", "V", "f")
        assert (ns["T"](a=1), ns["U"].__required_keys__, ns["U"].__annotations__.keys()) == (
            {"a": 1},
            {"b"},
            {"a", "b"},
        )
        assert typing.get_args(ns["f"].__annotations__["g"]) == (ns["P"], ns["V"])

    def test_a_proxy_follows_its_dict(self) -> None:
        ns = restored("import types; d = {}; p = types.MappingProxyType(d)", "d", "p")
        ns["d"]["k"] = 1
        assert ns["p"]["k"] == 1

    def test_weak_containers_of_what_lives_anyway(self) -> None:
        found = round_trip([weakref.WeakSet([int]), weakref.WeakKeyDictionary({str: 1}), weakref.WeakValueDictionary()])
        assert (list(found[0]), dict(found[1]), dict(found[2])) == ([int], {str: 1}, {})

    def test_iterators_over_sequences_go_on_where_they_were(self) -> None:
        ns = restored("d = [1, 2, 3]; i = iter(d); next(i); z = zip(i, 'abc')", "d", "i", "z")
        ns["d"].append(4)
        assert list(ns["z"]) == [(2, "a"), (3, "b"), (4, "c")]

    def test_context_and_place_of_time(self) -> None:
        import contextlib
        import datetime
        import decimal
        import fractions
        import uuid
        import zoneinfo

        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        moment = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=1)
        found = round_trip([moment, zone, decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5)])
        assert found == [moment, zone, decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5)]
        assert (found[1] is zone, found[0].fold, str(found[2])) == (True, 1, "1.10")
        assert round_trip(contextlib.nullcontext(3)).enter_result == 3

    def test_loggers_patterns_and_enums_of_libraries_are_the_same_objects(self) -> None:
        import logging
        import re
        import signal

        for value in (logging.getLogger("a.b"), signal.SIGINT, re.IGNORECASE):
            assert round_trip(value) is value
        assert round_trip(re.compile("a+", re.X)) == re.compile("a+", re.X)

    def test_order_of_dicts(self) -> None:
        assert list(round_trip({"z": 1, "a": 2, 3: 3})) == ["z", "a", 3]

    def test_what_holds_itself(self) -> None:
        ns = restored(
            """
            a = []; a.append(a); b = {}; b['b'] = b; c = C(); c.c = {c: [c]}
            t = ([],); t[0].append(t); s = C(); s.s = {s}
            """,
            *"abcts",
            before="class C: pass",
        )
        assert ns["a"][0] is ns["a"]
        assert ns["b"]["b"] is ns["b"]
        assert ns["c"].c[ns["c"]][0] is ns["c"]
        assert ns["t"][0][0] is ns["t"]
        assert ns["s"] in ns["s"].s


class TestPartsOfInputs:
    @pytest.mark.parametrize(
        ("before", "made", "path"),
        [
            ("a = [[1], [2]]", "b = a[1]", "a[1]"),
            ("a = {'k': {3: [1]}}", "b = a['k'][3]", "a['k'][3]"),
            ("a = {(1, 2): [1]}", "b = a[(1, 2)]", "a[(1, 2)]"),
            ("a = C(); a.x = (1, [2])", "b = a.x[1]", "a.x[1]"),
            ("a = C(); a.x = C(); a.x.y = C()", "b = a.x.y", "a.x.y"),
            ("a = {'df': pd.DataFrame({'a': [1]})}", "b = a['df']", "a['df']"),
            ("a = D(k=[1])", "b = a['k']", "dict.__getitem__(a, 'k')"),
            ("a = C(); a.__dict__.update(v=C()); a.v.vars = 1", "b = a.v", "a.v"),
        ],
    )
    @pytest.mark.parametrize("within", ["c = b", "c = [b]", "c = {'x': C()}; c['x'].y = b", "c = lambda b=b: b"])
    def test_are_the_live_ones(self, before: str, made: str, path: str, within: str) -> None:
        classes = "import pandas as pd\nclass C: pass\nclass D(dict): pass"
        old, new = Kernel(classes, before, made, within), Kernel(classes, before)
        dump = old.dump("b", "c", shared=("a",))
        assert dump.shared == ("a",)
        new.load(dump.blob)
        live = eval(path, new.ns)
        assert new.ns["b"] is live
        found = new.ns["c"]
        if within.startswith("c = lambda"):
            found = found()
        elif within != "c = b":
            found = found[0] if isinstance(found, list) else found["x"].y
        assert found is live

    def test_a_link_is_one_reference_however_much_it_leads_to(self) -> None:
        kernel = Kernel("rows = [{'a': [n]} for n in range(1000)]; found = {'rows': rows, 'some': rows[7]['a']}")
        dump = kernel.dump("found", shared=("rows",))
        assert len(dump.blob.stream) < 300
        found = kernel.serializer.load(dump.blob, kernel.ns.__getitem__)["found"]
        assert found["rows"] is kernel.ns["rows"]
        assert found["some"] is kernel.ns["rows"][7]["a"]

    def test_parts_within_parts(self) -> None:
        kernel = Kernel(
            "a = x = [0]\nfor n in range(9): a = [a, n]\nb = []; p = a\nwhile len(p) == 2: b.append([p]); p = p[0]"
        )
        dump = kernel.dump("b", shared=("a",))
        found, inner = kernel.serializer.load(dump.blob, kernel.ns.__getitem__)["b"], kernel.ns["a"]
        for (part,) in found:
            assert part is inner
            inner = inner[0]

    def test_without_the_input_its_parts_are_built(self) -> None:
        kernel = Kernel("big = bytes(10**6); a = {'m': [{'x': [1]}, big], 'n': 2}; b = (a['m'][0], a['m'][0]['x'])")
        dump = kernel.dump("b", shared=("a",))
        spare = kernel.serializer.dump(dump.spare).blob
        assert len(spare.stream) < 500
        stand_ins = kernel.serializer.load(spare)
        found = kernel.serializer.load(dump.blob, stand_ins.__getitem__)["b"]
        assert found == ({"x": [1]}, [1])
        assert found[0]["x"] is found[1]

    def test_without_the_input_it_is_built_whole_where_it_is_held(self) -> None:
        kernel = Kernel("a = [[1], 2]; b = [a, a[0]]")
        dump = kernel.dump("b", shared=("a",))
        assert dump.spare == {"a": kernel.ns["a"]}

    def test_an_input_of_two_names(self) -> None:
        kernel = Kernel("a = [1]; b = a; c = [a, np.zeros(3)[1:]]; d = {'x': c}")
        dump = kernel.dump("d", shared=("a", "b", "c"))
        assert kernel.serializer.load(dump.blob, kernel.ns.__getitem__) == {"d": {"x": kernel.ns["c"]}}

    def test_a_part_that_is_gone_is_an_error(self) -> None:
        old, new = Kernel("a = {'k': [1]}", "b = a['k']"), Kernel("a = {}")
        dump = old.dump("b", shared=("a",))
        with pytest.raises(SerializationError, match="part of the input 'a'"):
            new.load(dump.blob)

    def test_what_is_immutable_or_global_makes_no_link(self) -> None:
        kernel = Kernel(
            "a = {'t': (1, 'x'), 's': 'text', 'n': 10**20, 'f': len, 'm': math, 'e': ()}", "b = list(a.values())"
        )
        assert kernel.dump("b", shared=("a",)).shared == ()

    def test_where_the_collector_does_not_know_the_memo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(links.gc, "get_referents", lambda value: [])
        self.test_are_the_live_ones("a = [[1], [2]]", "b = a[1]", "a[1]", "c = [b]")

    def test_very_many_parts_are_not_all_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parts, "MOST_PARTS", 10)
        kernel = Kernel("a = [[n] for n in range(100)]", "b = a[3]; c = a[99]")
        dump = kernel.dump("b", "c", shared=("a",))
        values = kernel.serializer.load(dump.blob, kernel.ns.__getitem__)
        assert values["b"] is kernel.ns["b"]
        assert values["c"] == [99]

    def test_plain_values_are_pickled_without_a_call_for_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[Any] = []
        monkeypatch.setattr(NotebookPickler, "reducer_override", lambda self, value: calls.append(value))
        NotebookSerializer({}).dump(
            {"rows": [{"id": n, "tags": ["a"]} for n in range(1000)]}, {"data": [1], "other": {}}
        )
        assert calls == []
        assert (
            not hasattr(NotebookPickler, "persistent_id")
            or NotebookPickler.persistent_id is pickle.Pickler.persistent_id
        )


UNSAVEABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "socket": (socket.socket, "socket"),
    "generator": (lambda: (i for i in [1]), "generator"),
    "text file": (lambda: Path(__file__).open(), "open file"),  # noqa: SIM115
    "binary file": (lambda: Path(__file__).open("rb"), "open file"),  # noqa: SIM115
    "raw file": (lambda: Path(__file__).open("rb", buffering=0), "open file"),  # noqa: SIM115
    "temporary file": (tempfile.TemporaryFile, "open file"),
    "named file": (tempfile.NamedTemporaryFile, "open file"),
    "lock": (threading.Lock, "lock"),
    "rlock": (threading.RLock, "lock"),
    "event": (threading.Event, "lock"),
    "thread": (lambda: threading.Thread(target=print), "thread"),
    "local": (threading.local, "thread"),
    "count": (itertools.count, "itertools"),
    "chain": (lambda: itertools.chain([1]), "itertools"),
    "frame": (sys._getframe, "frame"),
    "weak": (lambda: weakref.ref(Kernel), "weak reference"),
    "part of memory": (lambda: memoryview(b"abc")[1:], "memoryview"),
    "proxy": (lambda: weakref.proxy(Kernel), "weak reference"),
    "weak set": (lambda: weakref.WeakSet([_KEPT]), "weak reference"),
    "weak keys": (lambda: weakref.WeakKeyDictionary({_KEPT: 1}), "weak reference"),
    "weak values": (lambda: weakref.WeakValueDictionary({1: _KEPT}), "weak reference"),
    "finalizer": (lambda: weakref.finalize(_KEPT, print), "finalizer"),
    "keys of a dict": (lambda: iter({1: 2}), "follow"),
    "values of a dict": (lambda: iter({1: 2}.values()), "follow"),
    "members of a set": (lambda: iter({1}), "follow"),
    "zip of a dict": (lambda: zip({1: 2}, [1], strict=True), "follow"),
    "spooled file": (tempfile.SpooledTemporaryFile, "open file"),
    "lines": (lambda: map(str.strip, Path(__file__).open()), "open file"),  # noqa: SIM115
    "folder": (tempfile.TemporaryDirectory, "temporary folder"),
    "mapped": (lambda: mmap.mmap(-1, 10), "open file"),
    "sqlite": (lambda: sqlite3.connect(":memory:"), "database"),
    "program": (lambda: subprocess.Popen([sys.executable, "-c", ""]), "running program"),
    "executor": (lambda: concurrent.futures.ThreadPoolExecutor(1), "executor"),
    "future": (concurrent.futures.Future, "future"),
    "context variable": (lambda: contextvars.ContextVar("x"), "context variable"),
    "context": (contextvars.copy_context, "context"),
    "simple queue": (queue.SimpleQueue, "lock"),
    "memory of ctypes": (lambda: (ctypes.c_int * 3)(), "ctypes"),
    "library of ctypes": (lambda: ctypes.CDLL(None), "ctypes"),
    "without its arguments": (lambda: np.finfo(float), "built again"),
    "hidden descriptor": (lambda: type.__dict__["__name__"], "descriptor"),
    "queue": (lambda: __import__("queue").Queue(), "lock"),
}


class TestDepth:
    """Python 3.11 ends with a segmentation fault where the user has raised the recursion limit."""

    KINDS = ("[v]", "(v,)", "{1: v}", "C(v)", "(lambda v: lambda: v)(v)")

    def test_a_raised_recursion_limit_does_not_end_the_kernel(self) -> None:
        code = f"""
            import sys
            from milepost.checkpoint.serializers.notebook import NotebookSerializer
            class C:
                def __init__(self, v): self.v = v
            sys.setrecursionlimit(10**6)
            for kind in {self.KINDS!r}:
                v, make = None, eval(f"lambda v: {{kind}}")
                for _ in range(100_000): v = make(v)
                dump = NotebookSerializer(globals()).dump({{"v": v, "ok": 1}})
                assert "nested" in dump.unsaved["v"], kind
                assert NotebookSerializer(globals()).load(dump.blob) == {{"ok": 1}}
                assert sys.getrecursionlimit() == 10**6
            import os; os._exit(0)
            """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)

    def test_the_limit_comes_back_after_pickling_in_several_threads(self) -> None:
        if sys.version_info >= (3, 12):
            pytest.skip("later versions watch the C stack themselves")
        limit = sys.getrecursionlimit()
        inside, leave = threading.Barrier(3), threading.Event()

        def pickle() -> None:
            with bounded_depth():
                inside.wait()
                leave.wait()

        sys.setrecursionlimit(50_000)
        try:
            threads = [threading.Thread(target=pickle) for _ in range(2)]
            for thread in threads:
                thread.start()
            inside.wait()
            assert sys.getrecursionlimit() < 20_000
            leave.set()
            for thread in threads:
                thread.join()
            assert sys.getrecursionlimit() == 50_000
        finally:
            sys.setrecursionlimit(limit)

    @pytest.mark.parametrize("kind", KINDS)
    def test_at_the_edge_the_others_are_saved(self, kind: str) -> None:
        """Whatever the depth, one that is too deep only by the company of others takes none of them along."""
        kernel = Kernel("class C:\n    def __init__(self, v): self.v = v\nv = ()")
        low, high = 40, 2000
        while high - low > 1:
            middle = (low + high) // 2
            if "v" in self._dump(kernel, kind, middle).unsaved:
                high = middle
            else:
                low = middle
        for depth in range(low - 8, low + 8):
            dump = self._dump(kernel, kind, depth)
            assert kernel.serializer.load(dump.blob)["ok"] == [1]

    @staticmethod
    def _dump(kernel: Kernel, kind: str, depth: int) -> Any:
        kernel.run(f"v = None\nfor _ in range({depth}): v = {kind}\nok = [1]; bad = (n for n in ok)")
        return kernel.dump("v", "ok", "bad")


class _Kept:
    pass


_KEPT = _Kept()


class TestUnsaveable:
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    @pytest.mark.parametrize("kind", UNSAVEABLE)
    @pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"deep": [x]}], ids=["itself", "within"])
    def test_is_named_and_left_out(self, kind: str, wrap: Callable[[Any], Any]) -> None:
        make, word = UNSAVEABLE[kind]
        reasons = unsaved(good=[1], bad=wrap(make()), fine=np.zeros(3))
        assert reasons.keys() == {"bad"}
        assert word in reasons["bad"]

    @pytest.mark.parametrize("depth", [5_000, 200_000])
    def test_deep_nesting(self, depth: int) -> None:
        value: list[Any] = []
        for _ in range(depth):
            value = [value]
        assert "nested" in unsaved(deep=value, ok=1)["deep"]

    def test_a_coroutine(self) -> None:
        async def f() -> None: ...

        coroutine = f()
        assert "coroutine" in unsaved(c=coroutine)["c"]
        coroutine.close()

    def test_an_object_whose_pickling_fails(self) -> None:
        kernel = Kernel("class Bad:\n    def __reduce__(self): raise ValueError('not me')\nbad = Bad(); ok = 1")
        dump = kernel.dump("bad", "ok")
        assert dump.unsaved == {"bad": "ValueError: not me"}
        assert kernel.serializer.load(dump.blob) == {"ok": 1}

    def test_nothing_is_read_from_or_moved_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("abc")
        with (tmp_path / "f").open() as file:
            file.read(1)
            unsaved(file=file)
            assert file.read() == "bc"


class TestDill:
    """`super` objects are what only dill can save."""

    def test_saves_what_the_c_pickler_refuses(self) -> None:
        assert round_trip(super(int, 3)).__reduce__ is not None
        assert round_trip(super(UserDict, UserDict(a=1))).__self__ == {"a": 1}

    def test_what_shares_objects_is_left_out(self) -> None:
        kernel = Kernel()
        inner = UserDict(a=[1])
        kernel.ns.update(plain={"inner": inner}, odd=super(UserDict, inner))
        dump = kernel.dump("plain", "odd")
        assert "shares objects" in dump.unsaved["odd"]
        assert kernel.serializer.load(dump.blob) == {"plain": {"inner": inner}}

    def test_never_what_is_refused(self) -> None:
        inner = UserDict(a=threading.Lock())
        assert unsaved(odd=super(UserDict, inner)).keys() == {"odd"}

    def test_never_what_lives_in_the_notebook(self) -> None:
        kernel = Kernel("class C(dict):\n    pass\nodd = super(C, C())")
        assert kernel.dump("odd").unsaved.keys() == {"odd"}


class TestLoading:
    def test_a_missing_module_is_named(self) -> None:
        stream = b"\x80\x05}\x8c\x01xcno_such_module\nThing\ns."
        with pytest.raises(SerializationError, match="module 'no_such_module'"):
            NotebookSerializer({}).load(Blob(stream))

    @pytest.mark.parametrize("stream", [b"", b"\x80\x05", b"junk", b"\x80\x05K\x01.", b"\x80\x05cmath\nnothing\n."])
    def test_broken_streams(self, stream: bytes) -> None:
        with pytest.raises(SerializationError):
            NotebookSerializer({}).load(Blob(stream))

    def test_missing_buffers(self) -> None:
        dump = NotebookSerializer({}).dump({"a": np.zeros(10_000)})
        with pytest.raises(SerializationError):
            NotebookSerializer({}).load(Blob(dump.blob.stream))

    def test_through_a_store(self, tmp_path: Path) -> None:
        array = np.arange(100_000)
        serializer = NotebookSerializer({})
        store = LocalStore(tmp_path / "s.milepost", Signer(b"k" * 32))
        values = {"a": array, "empty": np.zeros((0, 3)), "f": np.asfortranarray(np.ones((300, 300)))}
        record = store.save(Record(task="t", key="k"), {"values": serializer.dump(values).blob})
        found = serializer.load(store.open(record, "values"))
        found["a"][0] = 99
        assert found["f"].sum() == 90_000
        again = serializer.load(store.open(record, "values"))
        np.testing.assert_array_equal(again["a"], array)

    def test_the_same_value_gives_the_same_bytes(self) -> None:
        source = "class C:\n    def f(self): return lambda: self\nc = C(); d = {'c': c}"
        kernel = Kernel(source)
        assert kernel.dump("C", "c", "d").blob.stream == kernel.dump("C", "c", "d").blob.stream
