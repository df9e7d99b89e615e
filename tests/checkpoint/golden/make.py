"""Makes the golden store of the format that this Milepost writes: `python tests/checkpoint/golden/make.py`.

Once a format was released, its file never changes any more, and each later Milepost has to read it. The store has all
that a store can have, in plain data, so that every Python and every version of the packages can read it.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from milepost.checkpoint.layout import FORMAT_VERSION
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Input, Output, Record
from milepost.model.trust import Signer
from milepost.ports import Blob

HERE = Path(__file__).parent
KEY = b"the key of the golden stores"[:28] + b"....and no other"
THEIRS = b"the key of somebody else, who is not to be trusted"
SERIALIZER = NotebookSerializer({"__name__": "__main__"})
LARGE = bytes(range(256)) * 300
"""76,800 bytes: mapped when it is restored."""

VALUES: dict[str, Any] = {
    "small": {"number": 42, "text": "ü ☃", "none": None, "list": [1.5, True, b"\0\xff"]},
    "long": {"text": "0123456789" * 600},
    "same": {"text": "0123456789" * 600},
    "overwritten": {"version": 3},
}
"""What the serialiser saved, by task."""

BUFFERS: dict[str, tuple[bytes, ...]] = {
    "buffers": (LARGE, b"a small one", b""),
    "shared": (LARGE, LARGE[::-1]),
}
"""What lies in buffers, by task; their streams are their names."""

FACTS: dict[str, Any] = {
    "code": "x = 1\n",
    "cell_id": "c1",
    "inputs": (Input(name="i", kind="task", digest="d1", text="a text", source="long"),),
    "outputs": (Output(name="x", digest="d2", type="int"), Output(name="s", digest="", unsaved="a socket")),
    "deleted": ("gone",),
    "after": ("long",),
    "seconds": 12.5,
    "peak_bytes": 1 << 33,
    "why": Reason(ReasonKind.FIRST_RUN, "it never ran", ("a detail",)),
    "notes": ("a note",),
    "extra": {"any": [1, {"thing": None}]},
}
"""What the record of `small` says besides."""


def fill(folder: Path) -> None:
    """Two sessions of this user, one of a stranger, and a clean-up."""
    first = LocalStore(folder, Signer(KEY))
    for number in range(4):
        put(first, "overwritten", {"values": dumped({"version": number})}, key=f"k{number}")
    put(first, "small", {"values": dumped(VALUES["small"]), "display": Blob(b"[]")}, **FACTS)
    put(first, "long", {"values": dumped(VALUES["long"])})
    put(first, "forgotten", {"values": dumped("nothing that is needed" * 200)})
    first.forget(["forgotten"])
    first.flush()
    first.space.clean(keep=2, grace=-60.0)
    second = LocalStore(folder, Signer(KEY))
    put(second, "same", {"values": dumped(VALUES["same"])})
    for task, buffers in BUFFERS.items():
        put(second, task, {"values": Blob(task.encode(), buffers)})
    second.space.limit = 1_000_000_000
    stranger = LocalStore(folder, Signer(THEIRS))
    put(stranger, "theirs", {"values": dumped("do not load this")})
    put(stranger, "small", {"values": dumped("nor this")})
    for store in (first, second, stranger):
        store.flush()
        store.space.settle()


def put(store: LocalStore, task: str, blobs: Mapping[str, Blob], **facts: Any) -> None:
    """Save a result."""
    store.save(Record(**{"task": task, "key": "k", **facts}), blobs)


def dumped(value: Any) -> Blob:
    """A value as a notebook saves it."""
    return SERIALIZER.dump({"value": value}).blob


def main() -> None:
    """Write the file of the format."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "book.milepost"
        fill(folder)
        # A file, not a folder: the `.gitignore` in it would hide it.
        with zipfile.ZipFile(HERE / f"format-{FORMAT_VERSION}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
    size = os.path.getsize(HERE / f"format-{FORMAT_VERSION}.zip")
    print(f"format-{FORMAT_VERSION}.zip: {size:,} bytes")


if __name__ == "__main__":
    main()
