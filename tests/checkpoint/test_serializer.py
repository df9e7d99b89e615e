"""Values of a notebook come back as they were, or are named and left out."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import UserDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers import dilled
from milepost.checkpoint.serializers.notebook import NotebookSerializer
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


class TestMembers:
    def test_one_that_a_base_has_too_stays_the_classes_own(self) -> None:
        source = "class A:\n    verbose = False\n    def go(self): return 1"
        old = Kernel(source, "class B(A):\n    verbose = False\n    go = A.go")
        new = Kernel(source)
        new.load(old.dump("B").blob)
        assert {"verbose", "go"} <= vars(new.ns["B"]).keys()
        new.ns["A"].verbose = True
        assert new.ns["B"].verbose is False


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

    def test_never_what_would_take_it_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dilled, "MOST", 50)
        assert round_trip(super(UserDict, UserDict(a=list(range(20))))).__self__ == {"a": list(range(20))}
        assert unsaved(odd=super(UserDict, UserDict(a=list(range(60))))).keys() == {"odd"}

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
