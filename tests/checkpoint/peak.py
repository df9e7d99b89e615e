"""`python peak.py FOLDER`: reads a store, saves in it, and prints the most memory (MiB) that this took."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import StoreError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

MINE = Signer(b"m" * 32)


def main(folder: Path) -> None:
    store = LocalStore(folder, MINE)
    for record in store.records():
        for part in record.blobs:
            with contextlib.suppress(StoreError):
                store.open(record, part)
    assert len(store.problems()) < 10_000
    store.save(Record(task="new", key="k"), {"values": Blob(b"new")})
    assert any(record.task == "new" for record in LocalStore(folder, MINE).records())
    print(most_memory())


def most_memory() -> int:
    if sys.platform == "linux":
        # `ru_maxrss` counts what the parent had as well.
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) // 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


if __name__ == "__main__":
    main(Path(sys.argv[1]))
