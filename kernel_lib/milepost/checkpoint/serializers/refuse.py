"""What is not saved, and why: things that live outside the value, or whose restored twin would lie."""

from __future__ import annotations

import copyreg
import inspect
import pickle
import sys
import types
from collections.abc import Iterable
from typing import Any


class RefusedError(pickle.PicklingError):
    """A value that no pickler may save, with the reason for people."""


_FILE = "an open file keeps a place in something outside the notebook"
_LOCK = "a lock belongs to the threads that hold and await it"
_RUNNING = "it keeps its place in running code"
_DETACHED = "an iterator over a dict or set would no longer follow it"
_LOOP = "it belongs to a running event loop"
_WEAK = "a weak reference does not keep what it refers to"
_PROCESS = "it is a resource of this process and ends with it"
_DATABASE = "an open database keeps a place in something outside the notebook"

_REASONS: dict[str, str] = {
    "builtins.generator": f"a generator cannot be saved: {_RUNNING}",
    "builtins.coroutine": f"a coroutine cannot be saved: {_RUNNING}",
    "builtins.async_generator": f"an asynchronous generator cannot be saved: {_RUNNING}",
    "builtins.frame": f"a frame cannot be saved: {_RUNNING}",
    "builtins.traceback": "a traceback cannot be saved: it holds the frames of running code",
    **{f"builtins.dict_{kind}iterator": _DETACHED for kind in ("key", "value", "item")},
    **{f"builtins.dict_reverse{kind}iterator": _DETACHED for kind in ("key", "value", "item")},
    "builtins.set_iterator": _DETACHED,
    "builtins.odict_iterator": _DETACHED,
    "_io.FileIO": _FILE,
    "_io.BufferedReader": _FILE,
    "_io.BufferedWriter": _FILE,
    "_io.BufferedRandom": _FILE,
    "_io.BufferedRWPair": _FILE,
    "_io.TextIOWrapper": _FILE,
    "codecs.StreamReaderWriter": _FILE,
    "tempfile.SpooledTemporaryFile": _FILE,
    "tempfile.TemporaryDirectory": "a temporary folder goes with its object",
    "shelve.Shelf": _DATABASE,
    "dbm.dumb._Database": _DATABASE,
    "_gdbm.gdbm": _DATABASE,
    "sqlite3.Connection": _DATABASE,
    "sqlite3.Cursor": _DATABASE,
    "mmap.mmap": _FILE,
    "_socket.socket": "a socket is a connection of this process",
    "ssl.SSLContext": _PROCESS,
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "asyncio.events.AbstractEventLoop": f"an event loop cannot be saved: {_RUNNING}",
    "asyncio.futures.Future": f"a future or task of asyncio cannot be saved: {_LOOP}",
    "_asyncio.Future": f"a future or task of asyncio cannot be saved: {_LOOP}",
    "concurrent.futures._base.Executor": f"an executor has threads or processes: {_PROCESS}",
    "concurrent.futures._base.Future": f"a future is the result of running code: {_PROCESS}",
    "subprocess.Popen": f"a running program cannot be saved: {_PROCESS}",
    "threading.Thread": "a thread ends with its process",
    "_thread._local": "thread-local data ends with its threads",
    "_queue.SimpleQueue": _LOCK,
    "_contextvars.ContextVar": "a context variable is known by its identity in this process",
    "_contextvars.Context": "a context is known by its identity in this process",
    "_contextvars.Token": "a token of a context variable belongs to a context of this process",
    "multiprocessing.shared_memory.SharedMemory": f"shared memory cannot be saved: {_PROCESS}",
    "weakref.ReferenceType": _WEAK,
    "builtins.weakref": _WEAK,
    "weakref.ProxyType": _WEAK,
    "builtins.weakproxy": _WEAK,
    "weakref.CallableProxyType": _WEAK,
    "builtins.weakcallableproxy": _WEAK,
    "weakref.finalize": "a finalizer waits for the end of an object of this process",
    "scipy.stats._discrete_distns.poisson_binomial_frozen": "SciPy's pickle of this distribution draws other numbers",
}
"""By module and name of a class or a base of it, so that no module is imported for it; what is derived, too."""


def refusal(kind: type) -> str:
    """Why no value of this type is saved; empty when some are."""
    if kind.__module__ == "itertools":
        return f"an iterator of itertools ({kind.__name__}) cannot be saved: it keeps its place in a stream"
    return next((reason for base in kind.__mro__ if (reason := _REASONS.get(_name(base)))), "")


def refuse_unbuildable(value: Any) -> None:
    """Refuse an instance that pickle could save and not build: its `__new__` needs what pickle does not give it."""
    kind = type(value)
    new = kind.__new__
    if not isinstance(new, types.FunctionType) or not _pickles_by_new(kind):
        return
    given = value.__getnewargs__() if hasattr(value, "__getnewargs__") else ()
    try:
        inspect.signature(new).bind(kind, *given)
    except TypeError as error:
        raise RefusedError(f"a {kind.__qualname__} cannot be built again by pickle: {error}") from error


def runs_code(metaclass: type, bases: Iterable[type]) -> str:
    """Which code of the notebook's own runs where such a class is made; "" if none does."""
    made = [(base, "__init_subclass__") for top in bases for base in getattr(top, "__mro__", ())]
    made += [(base, name) for base in metaclass.__mro__ for name in ("__new__", "__init__", "__prepare__")]
    own = (f"{base.__name__}.{name}" for base, name in made if base.__module__ == "__main__" and name in vars(base))
    return next(own, "")


def require_lasting(items: Iterable[Any]) -> None:
    """Refuse what is only held weakly, unless it lives elsewhere anyway."""
    if not all(isinstance(item, type | types.ModuleType | types.BuiltinFunctionType) for item in items):
        raise RefusedError(_WEAK)


def library_class(module: str, name: str) -> type | None:
    """A class of a library that is imported already; never imports."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _pickles_by_new(kind: Any) -> bool:
    own = (kind.__reduce_ex__ is object.__reduce_ex__, kind.__reduce__ is object.__reduce__)
    return all(own) and kind not in copyreg.dispatch_table and not hasattr(kind, "__getnewargs_ex__")
