"""What the tests of the serialiser share: a notebook's namespace, and round trips."""

from __future__ import annotations

import textwrap
from typing import Any

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.ports import Blob, Dump

PREAMBLE = "import enum, abc, dataclasses, functools, typing, math\nimport numpy as np\n"


class Kernel:
    """A namespace in which cells run, as in a notebook."""

    def __init__(self, *cells: str) -> None:
        self.ns: dict[str, Any] = {"__name__": "__main__"}
        self.run(PREAMBLE, *cells)
        self.serializer = NotebookSerializer(self.ns)

    def run(self, *cells: str) -> None:
        for cell in cells:
            exec(compile(textwrap.dedent(cell), f"<cell {id(cell)}>", "exec", dont_inherit=True), self.ns)

    def dump(self, *names: str, shared: tuple[str, ...] = ()) -> Dump:
        return self.serializer.dump({n: self.ns[n] for n in names}, {n: self.ns[n] for n in shared})

    def load(self, blob: Blob) -> None:
        # As from a store: buffers that are bytes nobody else holds.
        copied = Blob(blob.stream, [bytearray(item) for item in blob.buffers])
        self.ns.update(self.serializer.load(copied, self.ns.__getitem__))


def restored(cell: str, *names: str, before: str = "") -> dict[str, Any]:
    """What a fresh kernel, in which `before` ran, has after the names that `cell` binds were restored."""
    old, new = Kernel(before, cell), Kernel(before)
    dump = old.dump(*names)
    assert dump.unsaved == {}
    new.load(dump.blob)
    return new.ns


def unsaved(**values: Any) -> dict[str, str]:
    serializer = NotebookSerializer({"__name__": "__main__"})
    dump = serializer.dump(values)
    assert serializer.load(dump.blob).keys() == values.keys() - dump.unsaved.keys()
    return dict(dump.unsaved)


def round_trip(value: Any) -> Any:
    kernel = Kernel()
    kernel.ns["value"] = value
    dump = kernel.dump("value")
    assert dump.unsaved == {}
    kernel.load(dump.blob)
    return kernel.ns["value"]
