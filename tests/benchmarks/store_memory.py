"""By how many bytes this process grows at most while it saves a frame of so many MiB: for `store.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import saving
from memory import peak

if __name__ == "__main__":
    folder, mib = Path(sys.argv[1]), int(sys.argv[2])
    store = saving.store_at(folder)
    saving.keep(store, saving.frame(1))
    value = saving.frame(mib)
    before = peak(reset=True)
    saving.keep(store, value)
    assert store.flush()
    print(peak() - before)
