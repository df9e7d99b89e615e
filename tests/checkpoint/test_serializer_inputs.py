"""Values that hold an input, or a part of one, hold the live one after a restore."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import pytest

from milepost.checkpoint.serializers import parts
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.checkpoint.serializers.pickler import NotebookPickler
from milepost.model.errors import SerializationError

from .serializing import Kernel


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
            ("import collections; a = collections.deque([[1]])", "b = a[0]", "a[0]"),
            ("a = S(); a.x = [1]", "b = a.x", "a.x"),
            ("a = functools.partial(print, [1], k=[2])", "b = a.keywords['k']", "a.keywords['k']"),
            ("a = [].append", "b = a.__self__", "a.__self__"),
            ("a = C().m", "b = a.__self__", "a.__self__"),
            ("a = (lambda x: lambda: x)([1])", "b = a()", "a()"),
            ("def a(x=[1], *, y=[2]): pass", "b = a.__kwdefaults__['y']", "a.__kwdefaults__['y']"),
            ("a = np.empty((2, 2), object); a[1, 0] = [1]", "b = a[1, 0]", "a[1, 0]"),
            ("a = {C(): 1}", "b = next(iter(a))", "next(iter(a))"),
            ("a = C(); a.__dict__.update(v=C()); a.v.vars = 1", "b = a.v", "a.v"),
        ],
    )
    @pytest.mark.parametrize("within", ["c = b", "c = [b]", "c = {'x': C()}; c['x'].y = b", "c = lambda b=b: b"])
    def test_are_the_live_ones(self, before: str, made: str, path: str, within: str) -> None:
        classes = "import pandas as pd\nclass C:\n    def m(self): pass\nclass D(dict): pass"
        classes += "\nclass S:\n    __slots__ = ('x',)"
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

    def test_functions_share_a_variable_with_one_that_is_an_input(self) -> None:
        source = """
            def counter():
                n = [0]
                def more():
                    nonlocal n
                    n = [n[0] + 1]
                def value(): return n[0]
                return more, value
            """
        old, new = Kernel(source, "more, value = counter()"), Kernel(source, "more, _ = counter()")
        dump = old.dump("value", shared=("more",))
        assert dump.shared == ("more",)
        new.load(dump.blob)
        new.run("more(); more()")
        assert new.ns["value"]() == 2

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
        get_referents = gc.get_referents
        monkeypatch.setattr(
            gc,
            "get_referents",
            lambda *items: [] if isinstance(next(iter(items), 0), NotebookPickler) else get_referents(*items),
        )
        self.test_are_the_live_ones("a = [[1], [2]]", "b = a[1]", "a[1]", "c = [b]")

    def test_very_many_parts_are_not_all_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parts, "MOST_PARTS", 10)
        kernel = Kernel("a = [[n] for n in range(100)]", "b = a[3]; c = a[99]")
        dump = kernel.dump("b", "c", shared=("a",))
        values = kernel.serializer.load(dump.blob, kernel.ns.__getitem__)
        assert values == {"b": [3], "c": [99]}
        assert [values[name] is kernel.ns[name] for name in "bc"] != [True, True]

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
