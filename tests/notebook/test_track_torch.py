"""Training with PyTorch ends in its middle and goes on in another kernel, to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Start

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

SETUP = """
%load_ext milepost
import functools, torch
from pathlib import Path
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from milepost import track
import milepost.notebook.midway.budget as budget
budget.SHARE = float('inf')
track = functools.partial(track, every=0)

def stop(item):
    if item == 5 and Path('stop.milepost').exists():
        raise SystemError('ends here')

torch.manual_seed(3)
X = torch.randn(128, 10)
Y = (X.sum(1, keepdim=True) > 0).float()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(10, 16), nn.BatchNorm1d(16)
        self.drop, self.last = nn.Dropout(0.2), nn.Linear(16, 1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.last(self.drop(torch.relu(self.norm(self.first(x)))))

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.last = nn.LSTM(10, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x):
        return self.last(self.cells(x[:, None])[0][:, -1])

def start(kind=Net):
    torch.manual_seed(0)
    net = kind()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    return net, optimiser, torch.optim.lr_scheduler.StepLR(optimiser, 2, 0.5)

def step(net, optimiser, x, y):
    optimiser.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(net(x), y)
    loss.backward()
    optimiser.step()
    return loss
"""
COMES_TO = "[losses, net.state_dict(), getattr(net, 'calls', 0), schedule.get_last_lr()]"
EPOCHS = """
net, optimiser, schedule = start()
losses, batches = [], DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True)
for epoch in track(range(8)):
    stop(epoch)
    for x, y in batches:
        loss = step(net, optimiser, x, y)
    schedule.step()
    losses.append(loss.item())
del loss
"""
BATCHES = """
net, optimiser, schedule = start()
losses, batches = [], DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True)
for x, y in track(batches):
    stop(len(losses))
    losses.append(step(net, optimiser, x, y).item())
"""
FUNCTION = """
def fit(kind, epochs):
    net, optimiser, schedule = start(kind)
    losses, batches = [], DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True)
    for epoch in track(range(epochs), state=[net, optimiser, schedule, losses]):
        stop(epoch)
        for x, y in batches:
            loss = step(net, optimiser, x, y)
        schedule.step()
        losses.append(loss.item())
    return net, losses, schedule
net, losses, schedule = fit({kind}, 8)
"""
CELLS = {
    "epochs": EPOCHS,
    "batches": BATCHES,
    "function": FUNCTION.format(kind="Net"),
    "recurrent": FUNCTION.format(kind="Recurrent"),
}
SAME = """
def same(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
"""


def test_trainings_go_on_to_the_same_bits(bare: Start, tmp_path: Path) -> None:
    stop = tmp_path / "stop.milepost"
    stop.touch()
    kernel = bare()
    kernel.run_ok(SETUP)
    for name, cell in CELLS.items():
        assert kernel.run(f"%%task {name}\n{cell}").ename == "SystemError"
    kernel.kill()
    stop.unlink()
    kernel = bare()
    kernel.run_ok(SETUP + SAME)
    for name, cell in CELLS.items():
        reply = kernel.run_ok(f"%%task {name}\n{cell}")
        assert "goes on after item 5 of 8" in "\n".join(reply.stamps), (name, reply.stamps)
        kernel.run_ok(f"found, tracked, track = {COMES_TO}, track, lambda items, **options: items")
        kernel.run_ok(cell)
        assert kernel.value(f"[same(a, b) for a, b in zip(found, {COMES_TO})]") == [True] * 4, name
        kernel.run_ok("track = tracked")
