"""The shapes that adapters fill; everything above and below meets here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

from milepost.model.cancel import CancelSignal
from milepost.model.once import OnceKind, OnceState
from milepost.model.record import Record
from milepost.model.result import TaskResult
from milepost.model.task import Task
from milepost.model.view import TaskView


class Clock(Protocol):
    """Where time comes from; tests pass a fake one."""

    def time(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float, signal: CancelSignal) -> None:
        """Wait; wakes early and raises `TaskCancelled` when the signal is set."""


class TaskCall(NamedTuple):
    """One task about to run: the task, the user's context, its dependencies' data by name, the signal to heed.

    A tuple, since it is made for every task and a frozen dataclass takes three times as long; `_replace` changes it.
    A strategy calls `started()` just before the body runs, and not at all when it gives a result back instead; the
    first call counts.
    `progress(message)`, or `progress(done, total, message)`, says how far the body has come, `retrying(message,
    result)` that an attempt failed and another follows. `executor` is where the body itself is called.
    """

    task: Task
    context: Any
    inputs: Mapping[str, Any]
    signal: CancelSignal
    clock: Clock
    executor: Executor
    started: Callable[[], None] = lambda: None
    progress: Callable[..., None] = lambda *words: None
    retrying: Callable[[str, TaskResult], None] = lambda message, result: None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a body gave, with what it used, from an executor that knows better than the calling thread's clocks.

    `seconds` that the body took, without a wait for its turn; `cpu` in seconds; `peak_bytes`, the largest resident size
    of the process that ran it. None where not told.
    """

    value: Any
    seconds: float | None = None
    cpu: float | None = None
    peak_bytes: int | None = None


class Registered(Protocol):
    """Something that registers as a task, such as a `@task` function."""

    name: str

    def to_task(self) -> Task:
        """The task that runs it."""


@runtime_checkable
class ExecutionStrategy(Protocol):
    """Turns a call into a result. Strategies wrap one another; the innermost runs the body."""

    def execute(self, call: TaskCall) -> TaskResult:
        """Run (or not) the task of `call`; never raises for a failing body, but returns a failure."""


@runtime_checkable
class Executor(Protocol):
    """Where work happens. Strategies and events stay in this process; only `invoke` may take a body elsewhere.

    `inline` says that `submit` runs the work in the calling thread and returns when it is done. One that has bodies
    wait for a place may have `queues = True` and call `call.started()` in `invoke` once there is one: before, neither
    does the task's own time limit run nor is its start told.
    """

    name: str
    inline: bool

    def submit(self, work: Callable[[], object]) -> None:
        """Have `work()` run, now or soon, in a thread of this process. It never raises; it may run many tasks."""

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Call the body, `call.task.run(**arguments)`, and give its value, or `Measured`; who asked awaits a coroutine.

        Called in the thread of the work. Raises what the body raises, and `TaskCancelled` or `KeyboardInterrupt` when
        `call.signal` ended it; where a body can be stopped from outside, the signal stops it.
        """

    def shutdown(self) -> None:
        """Wait for what runs and free threads or processes; the next work starts new ones."""


class Screen(Protocol):
    """Shows the tasks of a runner to people."""

    def svg(self, views: Sequence[TaskView]) -> str:
        """A drawing of them as they are now."""

    def show(self, runner: Any, tasks: Sequence[Task] | None) -> None:
        """Show them where the program runs, as they are and, where that can be, as they come to be."""


class PluginContext(Protocol):
    """What a plugin may reach while it installs itself."""

    def on(self, event: str, callback: Callable[..., object]) -> Callable[[], None]:
        """Subscribe to an event by its name; the returned function unsubscribes."""


@runtime_checkable
class Plugin(Protocol):
    """An extension of the runner."""

    name: str
    version: str

    def install(self, context: PluginContext) -> None:
        """Subscribe to events and the like."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One part of a checkpoint: a stream of bytes and the buffers it refers to, in order (pickle 5, out of band)."""

    stream: bytes
    buffers: Sequence[Any] = field(default=())


class TroubleKind(StrEnum):
    """What a store may find out later."""

    NOT_DURABLE = "not-durable"
    """A result is saved, and may yet be lost with the power."""
    DAMAGED = "damaged"
    """What `open` gave back is not what was saved."""
    EVICTED = "evicted"
    """A result had to make room for others, as the store has a size limit."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a store found out in the background about a record; `text` says it to people, with what to do."""

    kind: TroubleKind
    record: Record
    text: str


@runtime_checkable
class Store(Protocol):
    """Where checkpoints live. Knows bytes and records, never values."""

    def save(self, record: Record, blobs: Mapping[str, Blob], *, durable: bool = False) -> Record:
        """Write the blobs, then the record that names them; the record as stored (with `blobs`, `saved_at`).

        It then survives the death of this process; with `durable` power loss, too, else that soon after.

        Raises `StoreUnwritableError` when the place cannot be written (or is full); what was saved before stays good.
        """

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was saved is durable; False after `timeout` (seconds), or when something cannot be."""

    def settle(self) -> None:
        """Wait until all that `open` gave back at once has been verified; what is damaged has been told by then."""

    def on_trouble(self, listener: Callable[[Trouble], None]) -> None:
        """Have `listener(trouble)` called, in any thread, when something is found out later."""

    def records(self) -> Sequence[Record]:
        """The newest record of each task (also untrusted ones, `trusted=False`), oldest first. Unpickles nothing."""

    def history(self, task: str) -> Sequence[Record]:
        """Every kept record of one task, newest first."""

    def open(self, record: Record, part: str) -> Blob:
        """One blob; buffers are writable and private, such as copy-on-write maps.

        Its stream is always verified before. Buffers may be verified afterwards: see `settle` and `on_trouble`.

        Raises `UntrustedError`, or `CorruptCheckpointError` when bytes are missing or differ, or `KeyError`; any other
        error says that they cannot be read this time.
        """

    def forget(self, tasks: Iterable[str]) -> int:
        """Drop all records of these tasks; how many tasks had one."""

    def problems(self) -> Sequence[str]:
        """What was found torn, foreign or unreadable, a sentence each."""


class OnceAttempt(Protocol):
    """One start of a task that happens once; `key` is its idempotency key."""

    @property
    def id(self) -> str: ...
    @property
    def key(self) -> str: ...

    def end(self, kind: OnceKind, text: str = "", outputs: Sequence[str] | None = None) -> bool:
        """Note durably how it ended, and what it left; False where a person decided meanwhile."""


class OnceBook(Protocol):
    """What a store knows of tasks that happen once, as its attribute `once`; one without refuses such tasks."""

    def look(self, task: str) -> OnceState:
        """Where a task stands."""

    def begin(self, task: str, outputs: Sequence[str] = ()) -> OnceAttempt | None:
        """Start a task, noted durably before this returns; None where it may not start, or another was faster.

        Of all processes that use the store, one gets an attempt.
        """

    def lost(self, task: str, text: str) -> OnceState:
        """Note that what a task left cannot be given back; where it stands then."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What became of some values: one blob, why each left-out value was left out, and the inputs it refers to.

    `spare` are values to save beside the blob, by the names of those inputs: what `load` takes for an input that is not
    there. Where the values hold parts of an input only, it is no more than these.
    """

    blob: Blob
    unsaved: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    spare: Mapping[str, Any] = field(default_factory=dict)


class Serializer(Protocol):
    """Values to blobs and back."""

    def dump(self, values: Mapping[str, Any], shared: Mapping[str, Any] | None = None) -> Dump:
        """One blob for all values together (sharing between them is kept).

        `shared` are the task's inputs that the body left as they were: where a value holds that very object, or a part
        of it, the blob refers to it by name (`Dump.shared`) instead of holding a copy.
        """

    def load(self, blob: Blob, shared: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """The values again; `shared(name)` gives the live input of that name. Raises `SerializationError`."""
