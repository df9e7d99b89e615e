"""Python's own types: exceptions, iterators, descriptors and what else is not plain."""

from __future__ import annotations

import json
import typing
import weakref

import pytest

from .serializing import restored, round_trip


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
    def test_a_list_and_a_dict_that_do_more_than_to_keep_items(self) -> None:
        source = (
            "class L(list):\n    def __init__(self): self.seen = []\n"
            "    def extend(self, items): self.seen += items; super().extend(items)\n    append = None\n"
            "class D(dict):\n    def __init__(self): self.seen = []\n"
            "    def __setitem__(self, k, v): self.seen.append(k); super().__setitem__(k, v)\n"
            "x = L(); x.extend([1, x]); d = D(); d['a'] = x"
        )
        found = restored(source, "x", "d")
        assert (found["x"].seen[0], found["x"][0], found["x"][1] is found["x"]) == (1, 1, True)
        assert (found["d"].seen, found["d"]["a"] is found["x"]) == (["a"], True)

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
