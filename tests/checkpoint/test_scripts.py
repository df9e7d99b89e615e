"""Results of scripts are kept from process to process, and given back only while nothing they depend on changed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.checkpoint.project import Project, outcomes
from tests.keys import signing_key

from milepost import CancelSignal, EventKind, RetryPolicy, Task, TaskResult, TaskRunnerBuilder, TaskStatus, task
from milepost.checkpoint.background import _all
from milepost.checkpoint.layout import marker
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.memory import MemoryStore
from milepost.checkpoint.objects import file_of
from milepost.functions import use_registry
from milepost.model.errors import StoreUnwritableError, UsageError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob, ExecutionStrategy, Store, TaskCall

NOTE = """
from pathlib import Path
RAN = Path(__file__).with_name("ran")

def note(word):
    with RAN.open("a") as file:
        print(word, file=file)
"""

STUDY = """
import math
import threading

import helpers
from helpers import scaled
from milepost import Task
from notes import note

OFFSET = 10
UNUSED = 1
LOCK = threading.Lock()

def local_helper(x):
    return x + OFFSET

def make(limit):
    def bounded(wide):
        note("bounded")
        return [x for x in wide if x < limit]
    return bounded

def base(size=3, *, start=1):
    note("base")
    return list(range(start, start + size))

def wide(base):
    '''The first words.'''
    note("wide")
    return [scaled(x) + local_helper(x) for x in base]  # a comment

def rated(base):
    import late
    note("rated")
    return helpers.deep.rate() * late.FACTOR * len(base)

def last(bounded, rated):
    note("last")
    return math.fsum(bounded) + rated

def other():
    with LOCK:
        return UNUSED

def tasks():
    return [
        Task("base", base),
        Task("wide", wide, ("base",)),
        Task("bounded", make(1000), ("wide",)),
        Task("rated", rated, ("base",)),
        Task("last", last, ("bounded", "rated")),
    ]
"""

HELPERS = """
import threading
import deep
from deep import rate

LOCK = threading.Lock()
COUNT = 0

def scaled(x):
    return x * rate()

def unused():
    with LOCK:
        return COUNT
"""

DEEP = """
RATE = 2

def rate():
    return RATE
"""

LATE = "FACTOR = 5\n"


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_KEY_FILE", signing_key(tmp_path / "key"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = Project(tmp_path / "project")
    made.folder.mkdir()
    made.write("notes", NOTE)
    monkeypatch.syspath_prepend(str(made.folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield made
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).startswith(str(made.folder))]:
        del sys.modules[name]


@pytest.fixture
def study(project: Project) -> Project:
    for name, source in {"study": STUDY, "helpers": HELPERS, "deep": DEEP, "late": LATE}.items():
        project.write(name, source)
    return project


ALL = {"base", "wide", "bounded", "rated", "last"}


class TestValidity:
    def test_nothing_changed(self, study: Project) -> None:
        first, second = study.run(), study.run()
        assert set(first.ran) == ALL
        assert not first.restored
        assert second.restored == ALL
        assert not second.ran
        assert second.data("last") == first.data("last") == (13 + 16 + 19) + 2 * 5 * 3
        assert first.results["wide"].metrics == second.results["wide"].metrics

    @pytest.mark.parametrize(
        ("module", "before", "after", "ran", "reason"),
        [
            ("study", "x + OFFSET", "x + OFFSET + 1", ["wide", "bounded", "last"], "input 'local_helper' changed"),
            ("study", "OFFSET = 10", "OFFSET = 11", ["wide", "bounded", "last"], "input 'OFFSET' changed"),
            ("study", "size=3", "size=4", ["base", "wide", "bounded", "rated", "last"], "input 'size=' changed"),
            ("study", "start=1", "start=2", ["base", "wide", "bounded", "rated", "last"], "input 'start=' changed"),
            ("study", "make(1000)", "make(13)", ["bounded", "last"], "input 'limit (closure)' changed"),
            ("study", "if x < limit", "if x <= limit - 500", ["bounded"], "its code changed"),
            ("study", "math.fsum(bounded)", "1 + math.fsum(bounded)", ["last"], "its code changed"),
            ("helpers", "x * rate()", "x * rate() + 1", ["wide", "bounded", "last"], "input 'scaled' changed"),
            ("deep", "return RATE", "return RATE + 1", ["wide", "bounded", "rated", "last"], "'helpers.rate' changed"),
            ("deep", "RATE = 2", "RATE = 3", ["wide", "bounded", "rated", "last"], "input 'deep.RATE' changed"),
            ("late", "FACTOR = 5", "FACTOR = 6", ["rated", "last"], "input 'import late' changed"),
        ],
    )
    def test_an_edit(self, study: Project, module: str, before: str, after: str, ran: list[str], reason: str) -> None:
        study.run()
        study.edit(module, before, after)
        session = study.run()
        assert set(session.ran) == set(ran)
        assert session.restored == ALL - set(ran)
        assert reason in session.message(ran[0])
        assert study.run().restored == ALL

    @pytest.mark.parametrize(
        ("module", "before", "after"),
        [
            ("study", "# a comment", "# another"),
            ("study", "The first words", "Other words"),
            ("study", "UNUSED = 1", "UNUSED = 2"),
            ("study", "def other", "\n\ndef another"),
            ("helpers", "COUNT = 0", "COUNT = 1"),
        ],
    )
    def test_an_edit_of_what_is_not_read(self, study: Project, module: str, before: str, after: str) -> None:
        study.run()
        study.edit(module, before, after)
        assert study.run().restored == ALL

    def test_upstream_is_named_as_the_reason(self, study: Project) -> None:
        study.run()
        study.edit("study", "size=3", "size=4")
        assert "'base' ran again and gave another 'base'" in study.run().message("wide")

    def test_equal_data_of_a_task_that_ran_again_stop_there(self, study: Project) -> None:
        study.run()
        study.edit("study", "list(range(start, start + size))", "[*range(start, start + size)]")
        session = study.run()
        assert session.ran == ["base"]
        assert session.restored == ALL - {"base"}

    def test_going_back_restores(self, study: Project) -> None:
        study.run()
        study.edit("study", "OFFSET = 10", "OFFSET = 11")
        study.run()
        study.edit("study", "OFFSET = 11", "OFFSET = 10")
        assert study.run().restored == ALL

    def test_values_set_from_outside_count(self, study: Project) -> None:
        study.run()
        study.edit("study", "def tasks():", "helpers.deep.RATE = 7\ndef tasks():")
        assert "input 'deep.RATE' changed" in study.run().message("wide")

    def test_a_module_read_as_a_whole_counts_as_a_whole(self, study: Project) -> None:
        study.edit("study", "helpers.deep.rate()", "getattr(helpers.deep, 'rate')()")
        study.run()
        study.edit("deep", "RATE = 2", "RATE = 3")
        assert "input 'helpers.deep' changed" in study.run().message("rated")

    def test_a_decorator_of_another_module_hides_nothing(self, project: Project) -> None:
        project.write("tools", "import functools\nSTEP = 1\ndef more(x):\n    return x + STEP\n" + DECORATOR)
        body = "@decorated\ndef body():\n    note('body')\n    return 1\n"
        project.write(
            "study", HEAD + "from tools import decorated\n" + body + "def tasks(): return [Task('a', body)]\n"
        )
        assert project.run().data("a") == 2
        assert project.run().restored == {"a"}
        project.edit("tools", "STEP = 1", "STEP = 2")
        assert project.run().data("a") == 3
        project.edit("study", "return 1", "return 5")
        assert project.run().data("a") == 7

    def test_a_task_function_that_is_called_counts_by_its_code(self, project: Project) -> None:
        project.write("parts", "from milepost import task\n@task\ndef part(x=1):\n    return x\n")
        for call in ("part()", "parts.part()", "vars(parts)['part']()"):
            project.write(
                "study", HEAD + f"import parts\nfrom parts import part\ndef body():\n    return {call}\n" + TASKS
            )
            project.write("parts", "from milepost import task\n@task\ndef part(x=1):\n    return x\n")
            project.run()
            assert project.run().restored == {"a"}, call
            project.edit("parts", "return x", "return x + 1")
            assert project.run().data("a") == 2, call
        use_registry(None)

    @pytest.mark.parametrize(
        ("source", "before", "after"),
        [
            (
                "import functools, json\n@functools.wraps(json.dumps)\ndef f(): return 1\ndef body(): return f()",
                "1",
                "2",
            ),
            (
                "import shutil\nf = shutil.ignore_patterns('a')\ndef body(): return f('.', ['a', 'b'])",
                "'a')\n",
                "'b')\n",
            ),
            ("class A:\n @cached_property\n def f(self): return 1\ndef body(): return A().f", "1", "2"),
            ("@singledispatch\ndef f(x): return 1\ndef body(): return f(0)", "1", "2"),
            ("@contextmanager\ndef f(): yield 1\ndef body():\n with f() as x: return x", "1", "2"),
        ],
    )
    def test_what_looks_installed_counts_by_its_code(
        self, project: Project, source: str, before: str, after: str
    ) -> None:
        tools = "from contextlib import contextmanager\nfrom functools import cached_property, singledispatch\n"
        project.write("study", body_script(source, tools))
        first = project.run().data("a")
        assert project.run().restored == {"a"}
        project.edit("study", before, after)
        assert project.run().data("a") != first

    @pytest.mark.parametrize(
        "line", ["import box.part as part", "from box import part", "from . import part", "from .part import *"]
    )
    def test_imports_within_a_body(self, project: Project, line: str) -> None:
        (project.folder / "box").mkdir()
        project.write("box/__init__", "")
        project.write("box/part", "from .deeper import N\n")
        project.write("box/deeper", "N = 1\n")
        star = line.endswith("*")  # allowed in modules only
        body = "def body():\n    from . import starred\n    return starred.N" if star else BODY.replace("LINE", line)
        project.write("box/starred", line if star else "")
        project.write("box/bodies", body)
        project.write("study", HEAD + "from box.bodies import body\n" + TASKS)
        assert project.run().data("a") == 1
        assert project.run().restored == {"a"}
        project.edit("box/deeper", "N = 1", "N = 2")
        assert project.run().data("a") == 2

    def test_what_a_returned_function_reads_counts_for_whom_gets_it(self, project: Project) -> None:
        project.write("study", HEAD + RETURNED)
        assert project.run().data("b") == 3
        assert project.run().restored == {"a", "b"}
        project.edit("study", "K = 3", "K = 4")
        assert project.run().data("b") == 4

    def test_data_restored_in_another_form_is_still_the_same(self, project: Project) -> None:
        project.write("study", HEAD + OTHER_FORM)
        project.run()
        assert project.run().restored == {"a", "b"}

    def test_order_only_dependencies_count_by_their_key(self, project: Project) -> None:
        project.write("study", HEAD + AFTER)
        project.run()
        assert project.run().restored == {"a", "b"}
        project.edit("study", "# nothing", "; x = 1")
        session = project.run()
        assert session.ran == ["a", "b"]
        assert "'a' ran again" in session.message("b")

    def test_a_loop_counts_by_its_condition(self, project: Project) -> None:
        project.write("study", HEAD + LOOP)
        assert project.run().ran == ["a", "a"]
        assert project.run().restored == {"a"}
        project.edit("study", "> 1", "> 2")
        assert project.run().data("a") == 3


HEAD = "from milepost import LoopPolicy, Task\nfrom notes import note, RAN\n"
TASKS = "def tasks():\n    return [Task('a', body)]\n"
BODY = "def body():\n    LINE\n    return part.N\n"
DECORATOR = """
def decorated(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return more(function(*args, **kwargs))
    return inner
"""
RETURNED = """
K = 3
def a():
    return lambda: K
def b(a):
    return a()
def tasks():
    return [Task('a', a), Task('b', b, ('a',))]
"""
OTHER_FORM = """
class Counted:
    def __init__(self, copies=0):
        self.copies = copies
    def __reduce__(self):
        return Counted, (self.copies + 1,)
def a():
    note('a')
    return Counted()
def b(a):
    note('b')
    return 1
def tasks():
    return [Task('a', a), Task('b', b, ('a',))]
"""
AFTER = """
def a():
    note('a')  # nothing
def b():
    note('b')
def tasks():
    return [Task('a', a), Task('b', b, ('a',))]
"""
LOOP = """
def a():
    note('a')
    return RAN.read_text().split().count('a')
def tasks():
    return [Task('a', a, loop=LoopPolicy(until=lambda data: data > 1))]
"""


def body_script(body: str, more: str = "") -> str:
    return f"{HEAD}{more}\n{body}\n{TASKS}"


class TestWhatCannotBeVouchedFor:
    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            (
                "import threading\nL = threading.Lock()\ndef body():\n    note('a')\n    with L: return 1",
                "it reads 'L'",
            ),
            (
                "def make(l):\n def body():\n  note('a')\n  return l and 1\n return body\nbody = make(RAN.open('a'))",
                "closure",
            ),
            ("def body():\n    note('a')\n    return eval('1')", "it uses eval()"),
            ("def body():\n    note('a')\n    return len(globals())", "it uses globals()"),
            ("N = (i for i in [1, 2])\ndef body():\n    note('a')\n    return list(N)", "it reads 'N'"),
        ],
    )
    def test_it_runs_each_time_and_says_why(self, project: Project, source: str, reason: str) -> None:
        project.write("study", body_script(source))
        first, second = project.run(), project.run()
        assert first.ran == second.ran == ["a"]
        assert reason in second.message("a")
        assert second.message("a").startswith("runs each time: ")
        assert not LocalStore(project.store).records()

    @pytest.mark.parametrize(
        ("source", "changed"),
        [
            ("C = {}\ndef body():\n    note('a')\n    C['x'] = 1\n    return 1", "'C'"),
            ("C = 0\ndef body():\n    global C\n    note('a')\n    C += 1\n    return C", "'C'"),
            ("def body(seen=[]):\n    note('a')\n    seen.append(1)\n    return len(seen)", "'seen='"),
            ("class P:\n def run(self):\n  note('a')\n  self.x = 1\nbody = P().run", "'self'"),
            ("import helpers\ndef body():\n    note('a')\n    helpers.N = 2\n    return 1", "'helpers.N'"),
        ],
    )
    def test_a_body_that_changes_what_it_reads_is_not_saved(
        self, project: Project, source: str, changed: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        project.write("helpers", "N = 1\n")
        project.write("study", body_script(source))
        assert changed in project.run().message("a")
        assert "not saved" in caplog.text
        assert project.run().ran == ["a"]

    def test_a_body_that_changes_its_data_is_not_saved(self, project: Project) -> None:
        project.write("study", HEAD + CHANGES_DATA)
        first, second = project.run(), project.run()
        assert first.ran == ["a", "b", "c"]
        assert second.ran == ["b"]
        assert first.data("c") == second.data("c") == 2

    def test_the_context_counts_by_content(self, project: Project) -> None:
        project.write("study", body_script("def body(context):\n    note('a')\n    return context['n']"))
        project.run(context={"n": 1})
        assert project.run(context={"n": 1}).restored == {"a"}
        session = project.run(context={"n": 2})
        assert session.data("a") == 2
        assert "input 'context' changed" in session.message("a")

    def test_a_changed_context_is_not_given_up(self, project: Project) -> None:
        project.write("study", body_script("def body(context):\n    note('a')\n    context['n'] = 1"))
        project.run(context={})
        assert project.run(context={}).ran == ["a"]

    def test_signal_and_progress_do_not_count(self, project: Project) -> None:
        body = "def body(signal, progress):\n    note('a')\n    progress('half')\n    return 1"
        project.write("study", body_script(body))
        project.run()
        assert project.run().restored == {"a"}

    def test_after_a_task_whose_doings_are_not_known(self, project: Project) -> None:
        project.write("study", HEAD + AFTER.replace("note('a')  # nothing", "eval(\"note('a')\")"))
        project.run()
        assert project.run().ran == ["a", "b"]

    def test_a_value_without_content_counts_by_who_made_it(self, project: Project) -> None:
        project.write("study", HEAD + LOCKED)
        project.run()
        session = project.run()
        assert session.ran == ["a"]
        assert session.restored == {"b"}
        assert "not saved" in session.message("a")
        project.edit("study", "return threading.Lock()  #", "return threading.RLock()  #")
        assert project.run().ran == ["a", "b"]

    def test_what_using_it_changes_is_never_taken_for_the_same(self, project: Project) -> None:
        project.write("study", HEAD + LOCKED.replace("threading.Lock()", "(x for x in [1])"))
        project.run()
        session = project.run()
        assert session.ran == ["a", "b"]
        assert "it reads 'a', and a generator" in session.message("b")

    def test_a_digest_that_fails_does_not_fail_the_task(self, project: Project) -> None:
        project.write("study", HEAD + AWKWARD)
        session = project.run()
        assert session.data("a") == 1
        assert "no luck" in session.message("a")


CHANGES_DATA = """
def a():
    note('a')
    return [1]
def b(a):
    note('b')
    a.append(2)
    return 1
def c(a, b):
    note('c')
    return len(a)
def tasks():
    return [Task('a', a), Task('b', b, ('a',)), Task('c', c, ('a', 'b'))]
"""
LOCKED = """
import threading
def a():
    note('a')
    return threading.Lock()  #
def b(a):
    note('b')
    return 1
def tasks():
    return [Task('a', a), Task('b', b, ('a',))]
"""
AWKWARD = """
class Awkward(list):
    def __iter__(self):
        raise KeyError('no luck')
    def __reduce_ex__(self, protocol):
        return Awkward, (), None, iter([1]), Pairs()
class Pairs:
    def __iter__(self):
        raise KeyError('no luck')
A = Awkward()
def body():
    return A is not None and 1
def tasks():
    return [Task('a', body)]
"""


class TestBodies:
    @pytest.mark.parametrize(
        ("source", "before", "after"),
        [
            ("body = lambda: note('a')", "note('a')", "note('b')"),
            ("from functools import partial\ndef f(n, m): note('a')\nbody = partial(f, 1, m=2)", "m=2", "m=3"),
            ("from functools import partial\ndef f(n, m): note('a')\nbody = partial(f, 1, m=2)", "(f, 1", "(f, 4"),
            (
                "from functools import partial\ndef f(n, m): note('a')\nbody = partial(f, 1, m=2)",
                "note('a')",
                "note('b')",
            ),
            ("class P:\n n = 1\n def run(self): note('a')\nbody = P().run", "note('a')", "note('b')"),
            ("class P:\n n = 1\n def run(self): note('a')\nbody = P().run", "n = 1", "n = 2"),
            ("class P:\n def __init__(self): self.n = 1\n def run(self): note('a')\nbody = P().run", "n = 1", "n = 2"),
            ("class P:\n @classmethod\n def run(cls): note('a')\nbody = P.run", "note('a')", "note('b')"),
            ("class P:\n n = 1\n def __call__(self): note('a')\nbody = P()", "note('a')", "note('b')"),
            ("class P:\n n = 1\n def __init__(self): note('a')\nbody = P", "note('a')", "note('b')"),
            ("async def body(): note('a')", "note('a')", "note('b')"),
            (
                "from functools import lru_cache\n@lru_cache\ndef f(): return 1\ndef body():\n  note('a'); return f()",
                "1",
                "2",
            ),
        ],
    )
    def test_kinds(self, project: Project, source: str, before: str, after: str) -> None:
        project.write("study", body_script(source))
        assert project.run().ran == ["a"]
        assert project.run().restored == {"a"}
        project.edit("study", before, after)
        assert len(project.run().ran) == 1

    def test_built_in_functions(self) -> None:
        store = MemoryStore()
        tasks = [Task("a", dict), Task("b", "x".upper)]
        assert not results(store, tasks)["b"].restored
        again = results(store, tasks)
        assert again["a"].restored
        assert again["b"].restored
        assert again["b"].data == "X"
        assert results(store, [Task("b", "y".upper)])["b"].data == "Y"

    def test_maps(self, project: Project) -> None:
        project.write("study", MAP)
        assert sorted(project.run().ran) == ["1", "2", "3"]
        assert project.run().restored == {"square[1]", "square[2]", "square[3]", "total"}
        project.edit("study", "[1, 2, 3]", "[1, 5, 3]")
        session = project.run()
        assert session.ran == ["5"]
        assert session.data("total") == 35
        project.edit("study", "x * x", "x ** 3")
        assert project.run().data("total") == 1 + 125 + 27
        use_registry(None)


MAP = """
from milepost import TaskRunnerBuilder, task
from milepost.functions import use_registry
from notes import note
runner = TaskRunnerBuilder().build()
use_registry(runner)
@task
def square(x):
    note(str(x))
    return x * x
def total(squares):
    return sum(squares)
square.map([1, 2, 3]).reduce(total)
def tasks():
    return list(runner.graph().tasks.values())
"""


def results(store: Store | Path, tasks: Sequence[Task], **options: Any) -> Mapping[str, TaskResult]:
    runner = TaskRunnerBuilder().with_store(store).build()
    try:
        return runner.run(tasks, **options)
    finally:
        runner.close()


class TestSaving:
    @pytest.mark.parametrize("value", ["threading.Lock()", "(x for x in [1])", "open(RAN)"])
    def test_a_result_that_cannot_be_saved(
        self, project: Project, value: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        project.write("study", body_script(f"import threading\ndef body():\n    note('a')\n    return {value}"))
        first, second = project.run(), project.run()
        assert first.results["a"].ok
        assert first.data("a") is not None
        assert first.message("a").startswith("not saved: ")
        assert "task 'a': not saved" in caplog.text
        assert second.ran == ["a"]

    def test_no_failure_and_no_skip(self, tmp_path: Path) -> None:
        def fails() -> None:
            raise ValueError("no luck")

        def ends() -> TaskResult:
            return TaskResult(TaskStatus.SKIPPED, "no need")

        bodies = [Task("fails", fails), Task("ends", ends), Task("skipped", str, condition=lambda context: False)]
        results(tmp_path / "s", [*bodies, Task("waits", str, ("fails",))])
        assert not LocalStore(tmp_path / "s").records()

    def test_no_part_that_a_body_gave_when_it_was_cancelled(self, project: Project) -> None:
        body = "def body(signal):\n    note('a')\n    return [n for n in range(5) if not signal.cancelled]"
        project.write("study", body_script(body))
        stop = CancelSignal()
        runner = TaskRunnerBuilder().with_store(project.store).on("task_start", lambda event: stop.cancel()).build()
        runner.run(project.fresh().tasks(), signal=stop)
        session = project.run()
        assert session.ran == ["a"]
        assert session.data("a") == [0, 1, 2, 3, 4]

    def test_a_retried_task_is_saved_once_it_succeeds(self, tmp_path: Path) -> None:
        path = tmp_path / "tries"

        def flaky() -> int:
            with path.open("a") as file:
                file.write("x")
            if len(path.read_text()) < 3:
                raise ValueError("not yet")
            return 7

        tasks = [Task("a", flaky, retry=RetryPolicy(3))]
        assert results(tmp_path / "s", tasks)["a"].data == 7
        assert results(tmp_path / "s", tasks)["a"].restored
        assert len(path.read_text()) == 3

    def test_a_message_of_the_body_comes_back(self, tmp_path: Path) -> None:
        tasks = [Task("a", lambda: TaskResult(TaskStatus.SUCCESS, "42 rows", data=42))]
        results(tmp_path / "s", tasks)
        assert results(tmp_path / "s", tasks)["a"].message == "42 rows"

    @pytest.mark.parametrize("store", ["full", "below a file", "raises anything"])
    def test_a_store_that_cannot_be_written(self, tmp_path: Path, store: str, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "file").touch()
        made = {"full": Full(), "below a file": tmp_path / "file" / "store", "raises anything": Broken()}
        tasks = [Task(f"t{n}", lambda: 5) for n in range(10)]
        found = results(made[store], [*tasks, Task("sum", lambda t0: t0 + 1, ("t0",))])
        assert found["sum"].data == 6
        assert all(result.ok for result in found.values())
        assert "not saved" in found["t0"].message
        assert caplog.text.count("results stay in memory only") == 1
        assert caplog.text.count("WARNING") == 1

    def test_a_dry_run_leaves_the_store_alone(self, tmp_path: Path) -> None:
        results(tmp_path / "s", [Task("a", lambda: 1)], dry_run=True)
        assert not (tmp_path / "s").exists()


class Full(MemoryStore):
    def save(self, record: Record, blobs: Mapping[str, Blob], *, durable: bool = False) -> Record:
        raise StoreUnwritableError("the disk is full")


class Broken(MemoryStore):
    def history(self, task: str) -> Sequence[Record]:
        raise ZeroDivisionError("broken")

    def save(self, record: Record, blobs: Mapping[str, Blob], *, durable: bool = False) -> Record:
        raise ZeroDivisionError("broken")


class Bomb:
    """Unpickling it is seen."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


class TestDamage:
    def test_what_another_key_signed_is_never_unpickled(self, study: Project, tmp_path: Path) -> None:
        study.run()
        mine, stranger = LocalStore(study.store), LocalStore(study.store, Signer(b"s" * 32))
        stranger_view = {record.task: record for record in mine.records()}
        bomb = pickle.dumps({"return": Bomb(str(tmp_path / "boom"))})
        mine.forget(ALL)
        for record in stranger_view.values():
            stranger.save(record, {"values": Blob(bomb)})
        session = study.run()
        assert set(session.ran) == ALL
        assert not (tmp_path / "boom").exists()
        assert "another user's key" in session.message("base")
        assert study.run().restored == ALL

    def test_a_damaged_object_is_computed_again(self, project: Project) -> None:
        project.write("study", body_script("def body():\n    note('a')\n    return list(range(5000))"))
        project.run()
        for background in list(_all):
            assert background.wait(60)  # else the damage would be found when it is made durable
        record = LocalStore(project.store).history("a")[0]
        path = LocalStore(project.store).object_file(record.blobs["values"].stream)
        path.chmod(0o644)
        path.write_bytes(b"x" * path.stat().st_size)
        session = project.run()
        assert session.ran == ["a"]
        assert "damaged" in session.message("a")
        assert project.run().restored == {"a"}

    def test_damage_that_is_found_later_spoils_nothing_that_follows(self, project: Project) -> None:
        """Large arrays are given back at once and verified afterwards: what was computed from them is not saved."""
        source = (
            HEAD
            + """
import numpy as np
def large():
    note("large")
    return np.ones(100_000)
def total(large):
    note("total")
    return float(large.sum())
def tasks():
    return [Task("large", large), Task("total", total, ("large",))]
"""
        )
        project.write("study", source)
        assert project.run().data("total") == 100_000.0
        for background in list(_all):
            assert background.wait(60)  # all is durable
        store = LocalStore(project.store)
        path = store.object_file(store.history("large")[0].blobs["values"].buffers[0])
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.write(b"\0" * 8)
        store._mark((), (file_of(path.name, path.stat()),))  # as a disk does it, behind everybody's back
        project.write("study", source.replace("float(large.sum())", "float(large.sum()) + 1"))
        hurt = project.run()
        assert (hurt.ran, hurt.data("total")) == (["total"], 100_000.0)
        assert "not saved: it was computed from what 'large' had saved, and that is damaged" in hurt.message("total")
        healed = project.run()
        assert (healed.ran, healed.data("total")) == (["large", "total"], 100_001.0)
        assert project.run().restored == {"large", "total"}

    def test_a_result_whose_class_is_gone_is_computed_again(self, project: Project) -> None:
        project.write("kinds", "class Kind: pass\n")
        body = "def body():\n    note('a')\n    return __import__('kinds').Kind()"
        project.write("study", body_script(body))
        project.run()
        project.write("kinds", "Kind = dict\nclass Other: pass\n")
        assert project.run().data("a") == {}

    def test_a_newer_format_is_left_alone(self, study: Project, caplog: pytest.LogCaptureFixture) -> None:
        study.run()
        (study.store / "format").chmod(0o644)
        (study.store / "format").write_bytes(marker(99))
        assert set(study.run().ran) == ALL
        assert "newer" in caplog.text


class Noted:
    """A user's strategy: what came by, and ten times the data."""

    def __init__(self, inner: ExecutionStrategy) -> None:
        self.inner = inner

    def execute(self, call: TaskCall) -> TaskResult:
        result = self.inner.execute(call)
        return TaskResult(result.status, result.message, data=result.data * 10, restored=result.restored)


class TestWithOthers:
    def test_a_users_strategy_sees_what_is_restored(self, tmp_path: Path) -> None:
        found = []
        for _ in range(2):
            runner = TaskRunnerBuilder().use_strategy(Noted).with_store(tmp_path / "s").build()
            found.append(runner.run([Task("a", lambda: 2), Task("b", lambda a: a, ("a",))]))
        assert [result["b"].data for result in found] == [200, 200]
        assert found[1]["a"].restored
        assert found[1]["b"].restored

    def test_events(self, tmp_path: Path) -> None:
        seen: list[tuple[EventKind, str]] = []
        for _ in range(2):
            runner = TaskRunnerBuilder().with_store(tmp_path / "s").on("*", lambda e: seen.append((e.kind, e.task)))
            runner.build().run([Task("a", lambda: 2)])
        kinds = [kind for kind, name in seen if name == "a"]
        assert kinds == [EventKind.TASK_START, EventKind.TASK_END, EventKind.TASK_RESTORED]

    def test_the_same_key_wherever_a_body_runs(self, study: Project) -> None:
        for number, executor in enumerate(["threads", "main", "processes", "threads"]):
            session = study.run(lambda builder, name=executor: builder.with_executor(name))
            assert session.restored == (ALL if number else set())

    def test_again_in_the_same_runner(self, study: Project) -> None:
        tasks = study.fresh().tasks()
        runner = TaskRunnerBuilder().with_store(MemoryStore()).build()
        runner.run(tasks)
        assert all(result.restored for result in runner.run(tasks).values())

    def test_results_of_functions(self, tmp_path: Path) -> None:
        calls: list[int] = []
        for _ in range(2):
            use_registry(TaskRunnerBuilder().with_store(tmp_path / "s").build())
            assert task("made")(makes).result() == 5
            assert task("used")(uses).result() == 6
        use_registry(None)
        assert not calls
        assert len(LocalStore(tmp_path / "s").history("used")) == 1

    def test_many_at_once(self, tmp_path: Path) -> None:
        tasks = [Task(f"t{n}", lambda: list(range(100))) for n in range(200)]
        tasks.append(Task("sum", lambda **data: 1, tuple(f"t{n}" for n in range(200))))
        results(tmp_path / "s", tasks, concurrency=32)
        assert all(result.restored for result in results(tmp_path / "s", tasks, concurrency=32).values())


def makes() -> int:
    return 5


def uses(made: int) -> int:
    return made + 1


class TestPlaces:
    @pytest.mark.parametrize("place", [3, None, "", b"x", object(), __file__, LocalStore])
    def test_what_is_no_place(self, place: Any) -> None:
        with pytest.raises(UsageError, match="with_store takes"):
            TaskRunnerBuilder().with_store(place)

    def test_the_folder_stays_where_it_was(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "there").mkdir()
        monkeypatch.chdir(tmp_path)
        runner = TaskRunnerBuilder().with_store("study.milepost").build()
        monkeypatch.chdir("there")
        runner.run([Task("a", lambda: 1)])
        assert (tmp_path / "study.milepost" / "format").exists()

    def test_nothing_heavy_is_loaded(self, tmp_path: Path) -> None:
        code = """if True:
            import sys
            from milepost import Task, TaskRunnerBuilder
            for _ in range(2):
                found = TaskRunnerBuilder().with_store(sys.argv[1]).build().run([Task("a", lambda: [1])])
            assert found["a"].restored
            print(*sorted({name.partition(".")[0] for name in sys.modules}))"""
        command = [sys.executable, "-c", code, str(tmp_path / "s")]
        loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        heavy = {"numpy", "pandas", "torch", "IPython", "ipywidgets", "anywidget", "dill", "matplotlib"}
        assert not heavy & set(loaded)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from milepost import Task, TaskRunnerBuilder

ROUND = 3

def note(word):
    with open("ran", "a") as file:
        print(word, file=file)

class Point:
    def __init__(self, names):
        self.names = names

def step(number, *more):
    note(f"t{number}")
    if number == 3 and not os.path.exists("killed"):
        Path("killed").touch()
        os.kill(int(Path("pid").read_text()), signal.SIGKILL)
    return Point({f"n{number * k}" for k in range(ROUND)})

def t0(): return step(0)
def t1(t0): return step(1, t0)
def t2(t1): return step(2, t1)
def t3(t2): return step(3, t2)
def t4(t3): return step(4, t3)

if __name__ == "__main__":
    Path("pid").write_text(str(os.getpid()))
    runner = TaskRunnerBuilder().with_store("study.milepost").with_executor(sys.argv[1]).build()
    bodies = [t0, t1, t2, t3, t4]
    tasks = [Task(f"t{n}", body, (f"t{n - 1}",) if n else ()) for n, body in enumerate(bodies)]
    found = runner.run(tasks)
    runner.close()
    print(json.dumps({name: [r.restored, r.message, sorted(r.data.names)] for name, r in found.items()}))
"""


class TestKilled:
    @pytest.mark.parametrize("executor", ["main", "threads", "processes"])
    def test_what_had_finished_is_restored(self, project: Project, executor: str) -> None:
        project.write("study", KILLED)
        assert project.script(executor, seed=1).returncode == -signal.SIGKILL
        assert project.ran() == ["t0", "t1", "t2", "t3"]
        (project.folder / "ran").unlink()
        second = project.script(executor, seed=2)
        assert second.returncode == 0, second.stderr
        assert project.ran() == ["t3", "t4"]
        found = outcomes(second.stdout)
        assert [name for name, (restored, *_) in found.items() if restored] == ["t0", "t1", "t2"]
        assert found["t2"][2] == ["n0", "n2", "n4"]

    def test_an_edited_script_says_why_it_ran_again(self, project: Project) -> None:
        project.write("study", KILLED.replace("number == 3", "False"))
        project.script("threads", seed=1)
        project.edit("study", "ROUND = 3", "ROUND = 4")
        found = outcomes(project.script("threads", seed=2).stdout)
        assert not any(restored for restored, *_ in found.values())
        assert found["t0"][1] == "runs again: input 'ROUND' changed"

    def test_another_users_results_are_left_alone(self, project: Project) -> None:
        project.write("study", KILLED.replace("number == 3", "False"))
        project.script("threads", seed=1)
        found = outcomes(project.script("threads", seed=1, key="other key").stdout)
        assert not any(restored for restored, *_ in found.values())
        assert all("another user's key" in message for _, message, _ in found.values())


class TestWorkerProcesses:
    def test_a_large_input_is_mapped_from_the_store(self, project: Project) -> None:
        pytest.importorskip("numpy")
        project.write("study", HEAD + LARGE)
        session = project.run(lambda builder: builder.with_executor("processes"))
        mapped = session.data("uses")
        assert any(line.startswith(str(project.store / "objects")) for line in mapped), mapped
        assert project.run(lambda builder: builder.with_executor("processes")).restored == {"large", "uses"}


LARGE = """
import numpy as np
def large():
    return np.arange(1 << 19)
def uses(large):
    assert large[-1] == (1 << 19) - 1
    maps = open("/proc/self/maps").read().splitlines()
    return [line.split(None, 5)[-1] for line in maps if line.count("/")]
def tasks():
    return [Task("large", large), Task("uses", uses, ("large",))]
"""
