"""How soon Pause is answered within a `track` loop: from the end of the item that ran, until the kernel says "paused".

    python tests/benchmarks/pausing.py [--quick]

Until then all that the loop has come to is on disk. The bar: 0.1 s more than the item, at worst; with little to save,
and with an array of 8 MB that changes with each item.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from report import at_most, table, verdict

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.keys import signing_key
from tests.notebook.kernel import Kernel

PAUSES = 3 if "--quick" in sys.argv else 30
ITEM = 0.05
"""Seconds an item takes."""

STATES = {"numbers": "state = [0]", "an array of 8 MB": "state = np.zeros(1_000_000)"}
LOOP = """%%task train{number}
{state}
for item in track(range(100_000)):
    state[0] += 1
    time.sleep({item})
    ended = time.monotonic()
    print(ended, flush=True)
    if os.path.exists("over"): break
"""


def main() -> None:
    """Measure, and print the bars."""
    found = {}
    for number, (what, state) in enumerate(STATES.items()):
        with tempfile.TemporaryDirectory() as folder:
            environment = {"MILEPOST_KEY_FILE": signing_key(Path(folder) / "key"), "IPYTHONDIR": f"{folder}/ipython"}
            with Kernel(Path(folder), **environment) as kernel:
                found[what] = pauses(kernel, LOOP.format(number=number, state=state, item=ITEM))
    rows = [(what, f"{median(times) * 1000:.0f}", f"{max(times) * 1000:.0f}") for what, times in found.items()]
    table(
        f"Milliseconds from the end of the item until it is paused, {PAUSES} times", ("state", "median", "worst"), rows
    )
    met = verdict(at_most(f"at worst, {what}", max(times), 0.1, "s") for what, times in found.items())
    sys.exit(0 if met or PAUSES < 30 else 1)


def pauses(kernel: Kernel, loop: str) -> list[float]:
    """Seconds, each from the end of the last item that ran."""
    kernel.run_ok("%load_ext milepost\nfrom milepost import track\nimport os, time, numpy as np")
    kernel.request("ping")
    cell = kernel.send(loop)
    kernel.finish(cell, until="\n")
    times = [paused(kernel, cell) for _ in range(PAUSES)]
    Path(kernel.folder / "over").touch()
    kernel.finish(cell).ok()
    return times


def paused(kernel: Kernel, cell: str) -> float:
    """Pause once, and go on."""
    printed = kernel.finish(cell, until="\n").stdout
    kernel.request("pause")
    while kernel.request("state")["tasks"][0]["state"] != "paused":
        pass
    now = time.monotonic()  # the clock of all processes of this machine
    time.sleep(ITEM * 2)  # nothing runs; what the last item printed arrives
    ended = float((printed + printed_since(kernel, cell)).split()[-1])
    kernel.request("resume")
    while kernel.request("state")["tasks"][0]["state"] == "paused":
        pass
    return now - ended


def printed_since(kernel: Kernel, cell: str) -> str:
    """The ends of items that have arrived by now."""
    text = ""
    while kernel.client.iopub_channel.msg_ready():
        message = kernel.client.get_iopub_msg(timeout=1)
        if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == cell:
            text += message["content"]["text"]
    return text


if __name__ == "__main__":
    main()
