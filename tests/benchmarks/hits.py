"""Seconds of a restored cell, and of a plain one that does the same, as JSON: for `store.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import rivals
import small

if __name__ == "__main__":
    notebook = small.Notebook(Path(sys.argv[1]))
    try:
        seconds = rivals.side_by_side({"plain": notebook.plain, "hit": notebook.hit}, int(sys.argv[2]))
    finally:
        notebook.close()
    print(json.dumps(seconds))
