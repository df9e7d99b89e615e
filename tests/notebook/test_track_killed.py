"""A real model trains for 200 epochs in kernels that are killed: its weights are those of a plain loop, bit for bit.

A few kills here; MILEPOST_TEST_TRACK_KILLS=30 does as many.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from .conftest import Start
from .kernel import Kernel

pytestmark = [pytest.mark.slow, pytest.mark.torture]

KILLS = int(os.environ.get("MILEPOST_TEST_TRACK_KILLS", "3"))
EPOCHS = 200

SETUP = """
%load_ext milepost
import numpy as np
from sklearn.datasets import load_digits
import milepost.notebook.midway.budget as budget
from milepost import track
budget.SHARE = 1.0  # or a life would have to be long to be worth its end

def note(number):
    with open("ran.milepost", "a") as log:
        log.write(f"{number}\\n")
    print("epoch", number, flush=True)

def layers(rng):
    return [rng.normal(scale=0.1, size=shape) for shape in ((64, 48), (48,), (48, 10), (10,))]

def epoch(weights, speeds, rng, x, y):
    \"\"\"One pass of stochastic gradient descent with momentum; the loss.\"\"\"
    loss = 0.0
    for rows in np.array_split(rng.permutation(len(x)), 16):
        hidden = np.maximum(x[rows] @ weights[0] + weights[1], 0)
        scores = hidden @ weights[2] + weights[3]
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        loss -= np.log(scores[np.arange(len(rows)), y[rows]]).sum()
        scores[np.arange(len(rows)), y[rows]] -= 1
        back = (scores @ weights[2].T) * (hidden > 0)
        steps = x[rows].T @ back, back.sum(axis=0), hidden.T @ scores, scores.sum(axis=0)
        for weight, speed, step in zip(weights, speeds, steps, strict=True):
            speed *= 0.9
            speed -= 0.01 * step / len(rows)
            weight += speed
    return loss
"""
TRAIN = """
x, y = load_digits(return_X_y=True)
x /= 16
np.random.seed(5)
rng = np.random.default_rng(3)
weights, losses = layers(rng), []
speeds = [np.zeros_like(weight) for weight in weights]
for number in {epochs}:
    {note}
    losses.append(epoch(weights, speeds, rng, x, y))
    weights[1] += np.random.normal(scale=1e-3, size=48)
correct = ((np.maximum(x @ weights[0] + weights[1], 0) @ weights[2] + weights[3]).argmax(axis=1) == y).mean()
"""
TASK = "%%task train" + TRAIN.format(epochs=f"track(range({EPOCHS}), every=0.02)", note="note(number)")
PLAIN = TRAIN.format(epochs=f"range({EPOCHS})", note="pass")
OUTCOME = "[*(weight.tobytes().hex() for weight in weights), losses, float(correct)]"


def begin(start: Start) -> Kernel:
    kernel = start(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    kernel.run_ok(SETUP)
    return kernel


def test_training_that_is_killed_comes_to_the_very_same_weights(bare: Start, tmp_path: Path) -> None:
    moments, kept = random.Random(KILLS), 0
    for _ in range(KILLS):
        kernel = begin(bare)
        until = min(kept + moments.randint(1, 2 * EPOCHS // (KILLS + 1)), EPOCHS - 2)
        kernel.finish(kernel.send(TASK), until=f"epoch {until}\n")
        kernel.kill()
        assert took_up(tmp_path) == kept, "each life goes on where the one before was kept"
        kept = kept_of(tmp_path)
    kernel = begin(bare)
    kernel.run_ok(TASK)
    assert took_up(tmp_path) == kept
    assert kept, "it was kept at least once"
    found = kernel.value(OUTCOME)
    kernel.run_ok(PLAIN)
    assert found == kernel.value(OUTCOME)
    assert found[-1] > 0.97, "it has learnt something"


def took_up(folder: Path) -> int:
    """The first epoch of the last life."""
    log = folder / "ran.milepost"
    numbers = [int(line) for line in log.read_text().splitlines()]
    log.unlink()
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    return numbers[0]


def kept_of(folder: Path) -> int:
    """The epochs that are done as far as the store knows."""
    found = folder / "nb.milepost" / "partial" / "train" / "0"
    return int(json.loads(found.read_bytes().split(b"\n")[1])["record"]["extra"]["done"]) if found.exists() else 0
