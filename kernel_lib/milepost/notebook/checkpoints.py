"""Results of tasks to the store and back into the notebook."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from milepost.analysis.code import parts_imported
from milepost.analysis.digest import digest
from milepost.analysis.flat import ATOMS
from milepost.analysis.validity import PYTHON
from milepost.model.errors import SerializationError, StoreError
from milepost.model.reasons import Reason
from milepost.model.record import Input, Output, Record
from milepost.notebook.ambient.modules import SHARED as OF_MODULE
from milepost.notebook.ambient.modules import find_shared
from milepost.notebook.definition import RETURN, Definition
from milepost.notebook.entangled import HELD
from milepost.notebook.kept import is_picture
from milepost.notebook.ledger import lineage
from milepost.notebook.namespace import Namespace
from milepost.notebook.resolution import Resolution
from milepost.ports import Blob, Serializer, Store
from milepost.widget.words import duration, size

VALUES, DISPLAY, RANDOM, SHARED, STATE = "values", "display", "random", "shared", "state"
"""The parts of a checkpoint."""

KEPT = "Out"
"""Beside the values: what IPython keeps as `_` and in `Out`. No variable of the user's has that name."""

MOST_KEPT = 1 << 20
"""Bytes of what was only shown, up to which it is saved."""

SMALL = 16 << 20
"""Bytes up to which a result is always worth saving."""

SAVE_RATE = 400e6
"""Bytes a second at which saving and restoring together are reckoned, to tell what is cheaper to compute again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a body left, ready to be saved."""

    definition: Definition
    key: str
    resolution: Resolution
    values: Mapping[str, Any]
    mutated: tuple[str, ...]
    deleted: tuple[str, ...]
    display: bytes
    seconds: float
    peak_bytes: int
    why: Reason
    after: tuple[str, ...]
    obstacle: str
    random_before: Mapping[str, str]
    random_after: Mapping[str, Any]
    lost: Mapping[str, str]
    state: Mapping[str, Any]
    observed: tuple[Input, ...]
    shared: Mapping[str, Any]
    kept: tuple[Any, ...]
    keeps: bool
    once: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a save: the outputs with their digests, the record if one was written, else why not."""

    outputs: tuple[Output, ...]
    record: Record | None = None
    unsaved: str = ""


class Checkpoints:
    """Saves outcomes to a store and builds values from its records."""

    def __init__(self, store: Store, serializer: Serializer, namespace: Namespace) -> None:
        self._store = store
        self._serializer = serializer
        self._namespace = namespace

    # saving

    def save(self, outcome: Outcome) -> Saved:
        """Write one outcome, or say why it is not written; never raises for a value or a store that fails."""
        outputs = (*self._outputs(outcome), *_lost(outcome))
        if outcome.definition.options.save == "never":
            return Saved(outputs, unsaved="--save never")
        if outcome.obstacle:
            return Saved(outputs, unsaved=outcome.obstacle)
        try:
            return self._save(outcome, outputs)
        except StoreError as error:
            return Saved(outputs, unsaved=str(error))

    def _outputs(self, outcome: Outcome) -> tuple[Output, ...]:
        return tuple(
            Output(
                name=name,
                digest=self._content(name, value) or lineage(outcome.key, name),
                type=type(value).__name__,
                mutated=name in outcome.mutated,
            )
            for name, value in outcome.values.items()
        )

    def _content(self, name: str, value: Any) -> str:
        """The digest of an output, which may have been looked at just now, as a variable."""
        namespace = self._namespace
        own = namespace.data.get(name) is value
        return (namespace.digest(name) if own else digest(value, namespace.home)).hex

    def _save(self, outcome: Outcome, outputs: tuple[Output, ...]) -> Saved:
        kept = {KEPT: list(outcome.kept)} if outcome.kept and self._worth_keeping(outcome) else {}
        dump = self._serializer.dump({**outcome.values, **kept}, self._shareable(outcome))
        outputs = tuple(replace(item, unsaved=dump.unsaved.get(item.name, item.unsaved)) for item in outputs)
        if reason := _half_saved(outputs, whole=outcome.definition.automatic):
            return Saved(outputs, unsaved=reason)
        blobs = {VALUES: dump.blob, DISPLAY: Blob(outcome.display)}
        if outcome.random_after:
            blobs[RANDOM] = self._serializer.dump(outcome.random_after).blob
        if outcome.state:
            state = self._serializer.dump(outcome.state)
            if state.unsaved:
                return Saved(outputs, unsaved=_unsaved_state(outcome.state, state.unsaved))
            blobs[STATE] = state.blob
        if dump.shared:
            blobs[SHARED] = self._serializer.dump(dump.spare).blob
        nbytes = sum(len(b.stream) + sum(memoryview(part).nbytes for part in b.buffers) for b in blobs.values())
        if reason := _too_dear(outcome, nbytes):
            return Saved(outputs, unsaved=reason)
        record = _record(outcome, outputs, dump.shared)
        return Saved(outputs, self._store.save(record, blobs, durable=bool(outcome.once)))

    def _worth_keeping(self, outcome: Outcome) -> bool:
        """Whether what was shown is asked for, an output, too, or small: hardly anybody reads `_`."""
        if outcome.keeps:
            return True
        known = {id(value) for value in outcome.values.values()}
        rest = [value for value in outcome.kept if id(value) not in known and type(value) not in ATOMS]
        if any(map(is_picture, rest)):
            return False
        blob = self._serializer.dump({KEPT: rest}).blob if rest else Blob(b"")
        return len(blob.stream) + sum(memoryview(part).nbytes for part in blob.buffers) <= MOST_KEPT

    def _shareable(self, outcome: Outcome) -> dict[str, Any]:
        """Inputs that the body left as they were: an output may hold the very same object."""
        data, inputs = self._namespace.data, outcome.resolution.inputs
        there = [name for name in inputs if name in data and self._namespace.is_user(name)]
        names = [name for name in there if name not in outcome.values]
        if outcome.mutated:  # what has no content may hold what was changed, and not be seen to have changed
            names = [name for name in names if inputs[name].kind != "lineage"]
        return {**outcome.shared, **{name: data[name] for name in names if type(data[name]) not in ATOMS}}

    # restoring

    def values_beside(self, record: Record, live: Callable[[str], Any]) -> dict[str, Any]:
        """The values of a record where its task may have run already: a name that it bound is its input no more."""
        own = {output.name for output in record.outputs}
        return self.values(record, lambda name: None if name in own else live(name))

    def values(self, record: Record, live: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """The values of a record; `live(name)` gives an input that they share, else it is built from the record too.

        Raises
        ------
        StoreError
            Where the record is untrusted or damaged, or a value cannot be built again.
        """
        return self.values_and_kept(record, live)[0]

    def values_and_kept(
        self, record: Record, live: Callable[[str], Any] | None = None
    ) -> tuple[dict[str, Any], list[Any] | None]:
        """The values, and what IPython keeps of those that were shown: None where that could not be saved."""
        values = self._load(record, VALUES, live)
        kept = values.pop(KEPT, None if record.extra.get("kept") else [])
        for name in parts_imported(record.code):
            if isinstance(values.get(name.partition(".")[0]), ModuleType):
                with contextlib.suppress(Exception):  # the code may have gone on without it
                    importlib.import_module(name)
        return values, kept

    def _load(self, record: Record, part: str, live: Callable[[str], Any] | None) -> dict[str, Any]:
        spare: dict[str, Any] = {}

        def shared(name: str) -> Any:
            value = find_shared(name) if name.startswith(OF_MODULE) else live(name) if live else None
            if value is None and SHARED in record.blobs:
                spare.update({} if spare else self._serializer.load(self._store.open(record, SHARED)))
                value = spare.get(name)
            if value is None:
                raise SerializationError(f"task {record.task!r} shares {name!r} with its input, which is not there")
            return value

        return self._serializer.load(self._store.open(record, part), shared)

    def display(self, record: Record) -> bytes:
        """What the task showed."""
        return bytes(self._store.open(record, DISPLAY).stream)

    def random(self, record: Record) -> dict[str, Any]:
        """The states in which the task left the random generators it drew from."""
        return self._load(record, RANDOM, None) if RANDOM in record.blobs else {}

    def state(self, record: Record) -> dict[str, Any]:
        """What the task changed of the state of the process."""
        return self._load(record, STATE, None) if STATE in record.blobs else {}


def _lost(outcome: Outcome) -> list[Output]:
    """Outputs that are not there; they count by where they came from."""
    names = outcome.lost.items()
    return [Output(name=n, digest=lineage(outcome.key, n), type="", mutated=False, unsaved=why) for n, why in names]


def unsaved_names(outputs: Iterable[Output]) -> dict[str, str]:
    """Outputs that are not in the store, with the reason."""
    return {item.name: item.unsaved for item in outputs if item.unsaved}


def _unsaved_state(state: Mapping[str, Any], unsaved: Mapping[str, str]) -> str:
    """Why a result is none without what it changed of the state of the process."""
    name, reason = next(iter(unsaved.items()))
    entries = " ".join(entry.replace(":", ".") for entry in state[name]["values"])
    return f"it changed {name} {entries}, which cannot be saved ({reason})"


def _half_saved(outputs: Iterable[Output], *, whole: bool) -> str:
    """Why a result is no result without an output: computing that again would change the inputs a second time.

    Of a cell that nobody marked it is `whole` or nothing: what later cells did with an object that it also left behind
    could not be done again to one that is computed later.
    """
    unsaved = unsaved_names(outputs)
    changed = next((item.name for item in outputs if item.mutated), "")
    if not unsaved or not (whole or changed):
        return ""
    name, reason = next(iter(unsaved.items()))
    what = "shows a value" if name == RETURN else f"changed {name!r}" if name == changed else f"leaves {name!r}"
    also = f"; it changed {changed!r}, and would do so again" if changed not in ("", name) and not whole else ""
    return f"it {what}, which cannot be saved ({reason}){also}"


def _too_dear(outcome: Outcome, nbytes: int) -> str:
    """Why computing again is cheaper than saving and restoring, or ""."""
    cost = nbytes / SAVE_RATE
    if outcome.once or outcome.definition.options.save == "always" or nbytes <= SMALL or outcome.seconds >= cost:
        return ""
    return (
        f"computing took {duration(outcome.seconds)}, saving and restoring {size(nbytes)} would take about "
        f"{duration(cost)} (--save always saves it all the same)"
    )


def _record(outcome: Outcome, outputs: tuple[Output, ...], shared: Container[str]) -> Record:
    return Record(
        task=outcome.definition.name,
        key=outcome.key,
        code=outcome.definition.code,
        cell_id=outcome.definition.cell_id,
        inputs=tuple(outcome.resolution.inputs.values()),
        outputs=outputs,
        observed=tuple(item for item in outcome.observed if item.kind != HELD or item.name in shared),
        deleted=outcome.deleted,
        after=outcome.after,
        seconds=outcome.seconds,
        peak_bytes=outcome.peak_bytes,
        why=outcome.why,
        notes=tuple(outcome.resolution.notes),
        keep=outcome.definition.options.keep,
        once=outcome.once,
        extra={
            "python": PYTHON,
            "random": dict(outcome.random_before),
            "blocked": dict(outcome.resolution.blockers),
            "function": RETURN in outcome.values,
            "kept": bool(outcome.kept),
            "automatic" if outcome.definition.automatic else "source": outcome.definition.source,
        },
    )
