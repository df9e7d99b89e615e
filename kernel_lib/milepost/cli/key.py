"""`milepost key`: make a signing key to share

Whoever has the file, and names it in MILEPOST_KEY_FILE, loads what others with it saved.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from milepost.cli.say import say
from milepost.model.errors import UsageError
from milepost.model.trust import make_key

PLACE = "FILE", "where to make it; nothing may be there yet"


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    path = Path(options.place).absolute()
    if not make_key(path):
        raise UsageError(f"{path} is there already, and is left as it is: name another file, or delete it first")
    say(f"made {path}: have who may run code as you read it, and set MILEPOST_KEY_FILE={shlex.quote(str(path))}")
    return 0
