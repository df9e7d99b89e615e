"""What cannot be saved is named with the reason, and never takes the others along."""

from __future__ import annotations

import concurrent.futures
import contextvars
import ctypes
import gc
import itertools
import mmap
import queue
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from milepost.checkpoint.serializers.depth import bounded_depth

from .serializing import Kernel, unsaved


class _Kept:
    pass


_KEPT = _Kept()


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


WARN_WHEN_COLLECTED = {"open file", "socket", "temporary folder", "database", "running program"}


class TestUnsaveable:
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    @pytest.mark.parametrize("kind", UNSAVEABLE)
    @pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"deep": [x]}], ids=["itself", "within"])
    def test_is_named_and_left_out(self, kind: str, wrap: Callable[[Any], Any]) -> None:
        make, word = UNSAVEABLE[kind]
        reasons = unsaved(good=[1], bad=wrap(make()), fine=np.zeros(3))
        assert reasons.keys() == {"bad"}
        assert word in reasons["bad"]
        if word in WARN_WHEN_COLLECTED:
            gc.collect()  # here, where the warning is ignored; a later test would fail by it

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

    def test_a_thread_that_is_deep_in_its_own_recursion_is_left_alone(self) -> None:
        if sys.version_info >= (3, 12):
            pytest.skip("later versions watch the C stack themselves")
        limit, inside, leave = sys.getrecursionlimit(), threading.Event(), threading.Event()

        def deep(levels: int) -> None:
            if levels:
                return deep(levels - 1)
            inside.set()
            leave.wait()

        sys.setrecursionlimit(50_000)
        try:
            thread = threading.Thread(target=deep, args=(6000,))
            thread.start()
            inside.wait()
            with bounded_depth():
                assert sys.getrecursionlimit() == 50_000
        finally:
            leave.set()
            thread.join()
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
