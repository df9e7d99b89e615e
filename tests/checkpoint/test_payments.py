"""A charge happens once, wherever the program that makes it is killed.

A few kills here; MILEPOST_TEST_KILLS=300 does as many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from milepost.checkpoint.local import LocalStore
from milepost.model.once import Standing

from .payments import MINE, UNANSWERED, Forks, Job, Service, moments, points, service, stores

pytestmark = pytest.mark.torture

KILLS = int(os.environ.get("MILEPOST_TEST_KILLS", "16"))

NAMES = list(points())
FREE = NAMES[: NAMES.index("the name of the start's note is not durable")]
DONE = NAMES[NAMES.index("the result is not durable") :]
CHARGED = NAMES[NAMES.index(UNANSWERED) :]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as made:
        yield made


def standing(job: Job) -> Standing:
    return LocalStore(job.store, MINE).once.look("charge").standing


@pytest.mark.parametrize("knows_keys", [True, False], ids=["keys", "no-keys"])
def test_never_two_charges(tmp_path: Path, forks: Forks, knows_keys: bool) -> None:
    """Also where the service takes no keys: what is in doubt does not run. Where it does, even a wrong word is safe."""
    doubts = 0
    with service(knows_keys=knows_keys) as charges:
        for (point, seconds), store in zip(
            moments(KILLS // 2, seed=KILLS + knows_keys), stores(tmp_path), strict=False
        ):
            order = f"order{len(charges.charges)}"
            job = Job(store, charges.server_port, order)
            killed = forks.run(Job(store, charges.server_port, order, point, seconds))
            assert killed is None or not point, f"it was not killed where {point}"
            doubts += resumed(forks, job, charges, point)
            assert len(charges.of(order)) == 1, f"charged {charges.of(order)} after a kill where {point}, {seconds}"
    assert doubts > 0


def resumed(forks: Forks, job: Job, charges: Service, point: str) -> bool:
    """Run it again, decide if need be, and run it to its end; whether it was in doubt."""
    found, charged = standing(job), bool(charges.of(job.order))
    if point:
        expected = Standing.FREE if point in FREE else Standing.DONE if point in DONE else Standing.IN_DOUBT
        assert (found, charged) == (expected, point in CHARGED), f"where {point}"
    again = forks.run(job)
    assert again
    in_doubt = found is Standing.IN_DOUBT
    if in_doubt:
        assert again["errors"]["charge"] == "TaskInDoubt"
        assert again["mail"]["status"] == "skipped"
        assert bool(charges.of(job.order)) == charged, "it ran although it is in doubt"
        decide(job, charges)
        again = forks.run(job)
        assert again
    else:
        assert again["charge"]["restored"] == (found is Standing.DONE)
    assert again["mail"]["data"] == f"paid: {charges.receipt(job.order, charges.of(job.order)[0])}"
    return in_doubt


def decide(job: Job, charges: Service) -> None:
    """As a person does who looks at the service; one who does not look has it run again, where that takes keys."""
    once, keys = LocalStore(job.store, MINE).once, charges.of(job.order)
    if keys and not charges.knows_keys:
        once.resolve("charge", done=True, value=f'"{charges.receipt(job.order, keys[0])}"')
    else:
        once.resolve("charge", done=False)
