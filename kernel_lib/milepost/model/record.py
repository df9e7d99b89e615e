"""What a checkpoint says of itself: all facts but the values, as plain JSON data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from milepost.model.reasons import Reason
from milepost.model.shape import require_shape

RETURN = "return"
"""The output name under which a function's data is kept; no variable can have it."""

Identity = tuple[str, str, str]
"""What tells a record from all others: its task, its key and when it was saved."""

_UNWRITTEN = {"trusted", "durable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One thing a task depends on.

    `kind` is one of "task" (an output of another task, but not code), "value", "function", "class", "module",
    "package", "file", "random", "builtin", "missing", "lineage", "sharing" or "state"; `digest` is what counts;
    `text` is for people (a source, a version, a short form), `source` names the producing task where there is one.
    """

    name: str
    kind: str
    digest: str
    text: str = ""
    source: str = ""

    @property
    def of_task(self) -> bool:
        """Whether it is an output of another task, code among them."""
        return self.kind == "task" or (bool(self.source) and self.kind in {"function", "class", "module"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One name a task left behind; `digest` is its content digest, `unsaved` says why it is not in the store."""

    name: str
    digest: str
    type: str = ""
    unsaved: str = ""
    mutated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRef:
    """Where one blob of a checkpoint lies: its stream and its buffers, each an address and a size (bytes).

    A small stream is not an object but lies here itself: `inline` is its bytes in base64, and `stream` is "".
    """

    stream: str = ""
    stream_bytes: int = 0
    buffers: tuple[str, ...] = ()
    buffer_bytes: tuple[int, ...] = ()
    inline: str | None = None

    @property
    def nbytes(self) -> int:
        """Stream and buffers together, in bytes."""
        return self.stream_bytes + sum(self.buffer_bytes)

    @property
    def objects(self) -> dict[str, int]:
        """The size of each object, by address."""
        stream = {} if self.inline is not None else {self.stream: self.stream_bytes}
        return {**stream, **dict(zip(self.buffers, self.buffer_bytes, strict=True))}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; what is at its default is left out, since each record of a store is read at its start."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One saved result, without its values.

    `key` is the fingerprint under which it is valid; `observed` are inputs that only its run has shown, as they were
    before it: a record with the right key is valid while these are the same, too. `seconds` is what computing took;
    `saved_at` an ISO 8601 time in UTC; `blobs` where the parts lie ("values", "display", "random", …); `keep` how many
    versions of the task to keep from then on (0: as many as the store does by itself); `once`, of a task that happens
    once, which of its starts this came of. `trusted` and `durable` (it was synced, and survives power loss) are set by
    the store that read the record and are no part of what is written.
    """

    task: str
    key: str
    code: str = ""
    cell_id: str = ""
    inputs: tuple[Input, ...] = ()
    observed: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    deleted: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_bytes: int = 0
    saved_at: str = ""
    why: Reason | None = None
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    blobs: dict[str, BlobRef] = field(default_factory=dict)
    keep: int = 0
    once: str = ""
    trusted: bool = True
    durable: bool = field(default=False, compare=False)

    @property
    def identity(self) -> Identity:
        """What tells it from all others, whatever else of it is known."""
        return self.task, self.key, self.saved_at

    @property
    def automatic(self) -> str:
        """Of a cell that nobody marked: the line by which people recognise it, else ""."""
        return str(self.extra.get("automatic") or "")

    @property
    def nbytes(self) -> int:
        """The bytes of all blobs, shared ones counted once for each use."""
        return sum(blob.nbytes for blob in self.blobs.values())

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON data, what is not written left out."""
        data = {name: getattr(self, name) for name in _WRITTEN}
        data["inputs"] = [asdict(item) for item in self.inputs]
        data["observed"] = [asdict(item) for item in self.observed]
        data["outputs"] = [asdict(item) for item in self.outputs]
        data["blobs"] = {name: blob.to_json() for name, blob in self.blobs.items()}
        data["why"] = self.why.to_json() if self.why else None
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any], *, trusted: bool = True) -> Record:
        """The record that `to_json` wrote; fields this version does not know are left out.

        Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` when the data is of another shape.
        """
        facts = {name: data[name] for name in _WRITTEN if name in data}
        facts["inputs"] = tuple(Input(**item) for item in data.get("inputs", ()))
        facts["observed"] = tuple(Input(**item) for item in data.get("observed", ()))
        facts["outputs"] = tuple(Output(**item) for item in data.get("outputs", ()))
        facts["blobs"] = {name: _blob_ref(item) for name, item in data.get("blobs", {}).items()}
        facts["why"] = Reason.from_json(data["why"]) if data.get("why") else None
        for name in ("deleted", "after", "notes"):
            facts[name] = tuple(data.get(name, ()))
        record = cls(**facts, trusted=trusted)
        require_shape(record)
        for blob in record.blobs.values():
            if len(blob.buffers) != len(blob.buffer_bytes):
                raise ValueError("not every buffer has a size")
        return record


_WRITTEN = tuple(f.name for f in fields(Record) if f.name not in _UNWRITTEN)


def _blob_ref(item: dict[str, Any]) -> BlobRef:
    ref = BlobRef(
        stream=item.get("stream", ""),
        stream_bytes=item.get("stream_bytes", 0),
        buffers=tuple(item.get("buffers", ())),
        buffer_bytes=tuple(item.get("buffer_bytes", ())),
        inline=item.get("inline"),
    )
    # A stranger may write anything, and what is wrong here would break whoever adds up sizes.
    texts = (ref.stream, *ref.buffers, ref.inline or "")
    sizes = (ref.stream_bytes, *ref.buffer_bytes)
    whole = all(isinstance(text, str) for text in texts) and all(type(size) is int and size >= 0 for size in sizes)
    if not whole or len(ref.buffers) != len(ref.buffer_bytes):
        raise ValueError("it does not say where a part lies")
    return ref
