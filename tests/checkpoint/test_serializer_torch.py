"""torch: tensors, models and optimisers come back as they were, connected as they were, or are refused.

torch is no dependency of the tests: these are skipped where it is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.errors import SerializationError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

from .serializing import Kernel, restored, round_trip, unsaved

torch = pytest.importorskip("torch")

IMPORT = "import torch\nfrom torch import nn\n"


def tensors() -> dict[str, Any]:
    x = torch.arange(30_000, dtype=torch.float32).reshape(100, 300)
    return {
        "plain": x,
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 3),
        "bfloat16": x.bfloat16(),
        "float8": x.to(torch.float8_e4m3fn),
        "bool": x > 5,
        "complex": torch.complex(x, x),
        "conjugate": torch.complex(x, x).conj(),
        "uint16": torch.arange(9).to(torch.uint16),
        "with gaps": x[::2, 1::3],
        "transposed": x.T,
        "expanded": torch.ones(1, 3).expand(4, 3),
        "channels last": torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "requires grad": x.clone().requires_grad_(),
        "coo": x.to_sparse(),
        "csr": x.to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(x, 0.1, 3, torch.quint8),
        "by channel": torch.quantize_per_channel(x, torch.ones(100), torch.zeros(100), 0, torch.qint8),
        "meta": torch.empty(3, device="meta"),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestTensors:
    @pytest.mark.parametrize("name", tensors())
    def test_come_back_as_they_were(self, name: str) -> None:
        tensor = tensors()[name]
        found = round_trip(tensor)
        assert type(found) is type(tensor)
        for fact in ("dtype", "shape", "layout", "device", "requires_grad", "is_quantized"):
            assert getattr(found, fact) == getattr(tensor, fact), fact
        if tensor.layout is torch.strided and not tensor.is_quantized:
            assert found.stride() == tensor.stride()
            assert found.is_conj() == tensor.is_conj()
        if name != "meta":
            assert _words(found) == _words(tensor)

    def test_gradients_are_kept(self) -> None:
        x = torch.arange(5.0, requires_grad=True)
        (x * x).sum().backward()
        found = round_trip({"x": x, "grad": x.grad})
        assert found["x"].grad.tolist() == x.grad.tolist()
        assert found["x"].grad is found["grad"]
        (found["x"] * 3).sum().backward()
        assert found["grad"].tolist() == [3, 5, 7, 9, 11]

    def test_with_attributes_and_of_a_subclass(self) -> None:
        source = "class T(torch.Tensor): pass\nx = torch.ones(3).as_subclass(T); x.note = [x]"
        ns = restored(source, "T", "x", before=IMPORT)
        assert type(ns["x"]) is ns["T"]
        assert ns["x"].note[0] is ns["x"]

    def test_a_graph_is_refused(self) -> None:
        x = torch.ones(3, requires_grad=True)
        reasons = unsaved(x=x, y=[x * 2], view=x[1:], ok=x.detach())
        assert reasons.keys() == {"y", "view"}
        assert "detach" in reasons["y"]

    def test_hooks_are_refused(self) -> None:
        x = torch.ones(3, requires_grad=True)
        x.register_hook(print)
        y = torch.ones(3, requires_grad=True)
        y.register_post_accumulate_grad_hook(print)
        assert "hooks" in unsaved(x=x)["x"]
        assert "hooks" in unsaved(y=y)["y"]

    def test_generators(self) -> None:
        assert round_trip([torch.default_generator])[0] is torch.default_generator
        own = torch.Generator().manual_seed(3)
        torch.rand(2, generator=own)
        found = round_trip(own)
        assert torch.rand(2, generator=found).tolist() == torch.rand(2, generator=own).tolist()

    def test_types_and_sizes(self) -> None:
        for value in (
            torch.float16,
            torch.device("cpu"),
            torch.strided,
            torch.Size([1, 2]),
            torch.float32.to_complex(),
        ):
            assert round_trip(value) == value
        assert type(round_trip(torch.Size([1]))) is torch.Size

    def test_another_device_that_is_gone_is_an_error(self) -> None:
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
        from milepost.checkpoint.serializers import rebuild_data

        with pytest.raises(SerializationError, match="cuda:0"):
            rebuild_data.storage_on(torch.UntypedStorage(4), "cuda:0")

    def test_on_a_gpu(self) -> None:
        if not torch.cuda.is_available():
            pytest.skip("needs a GPU")
        x = torch.arange(30_000.0, device="cuda")
        found = round_trip([x, x[5:]])
        found[0][5] = -1
        assert (found[0].device, found[1][0].item()) == (x.device, -1)


class TestMemory:
    def test_a_large_tensor_is_a_buffer_and_is_mapped(self, tmp_path: Path) -> None:
        tensor = torch.ones(16 * 1024 * 1024)
        dump = NotebookSerializer({}).dump({"x": tensor})
        assert dump.blob.buffers[0].nbytes == 64 * 1024 * 1024
        assert len(dump.blob.stream) < 1000
        assert _address(dump.blob.buffers[0]) == tensor.data_ptr()
        store = LocalStore(tmp_path / "s.milepost", Signer(b"k" * 32))
        record = store.save(Record(task="t", key="k"), {"values": dump.blob})
        for _ in range(2):
            blob = store.open(record, "values")
            found = NotebookSerializer({}).load(blob)["x"]
            assert found.data_ptr() == _address(blob.buffers[0])
            assert found[0] == 1
            found[0] = 5

    def test_views_share_their_storage(self) -> None:
        x = torch.zeros(10, 10)
        found = round_trip({"x": x, "part": [x[2:4]], "t": x.T, "other": torch.ones(2)})
        found["part"][0][0, 1] = 7
        assert (found["x"][2, 1], found["t"][1, 2]) == (7, 7)

    @pytest.mark.parametrize(
        "made", ["a = np.zeros(9); t = torch.from_numpy(a)[2:]", "t = torch.zeros(7); a = t.numpy()"]
    )
    def test_arrays_and_tensors_share_memory(self, made: str) -> None:
        for names in ("at", "ta"):
            ns = restored(made, *names, before=IMPORT)
            ns["a"][5] = 7
            assert 7 in ns["t"].tolist()

    def test_small_ones_can_be_resized(self) -> None:
        assert round_trip(torch.ones(3)).resize_(1000).shape == (1000,)

    def test_with_an_input(self) -> None:
        old, new = Kernel(IMPORT, "x = torch.zeros(100); a = torch.zeros(9)"), Kernel(IMPORT)
        new.run("x = torch.zeros(100); a = torch.zeros(9)")
        old.run("y = [x[5:], a.numpy()]")
        dump = old.dump("y", shared=("x", "a"))
        assert dump.shared == ("a", "x")
        new.load(dump.blob)
        new.run("y[0][0] = 7; y[1][1] = 7")
        assert (new.ns["x"][5], new.ns["a"][1]) == (7, 7)


MODEL = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1))
        self.tied = self.layers[0].weight
        self.register_buffer("scale", torch.ones(1) * 3)
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
    def forward(self, x): return self.layers(x) * self.scale
torch.manual_seed(1)
model = Net()
"""
OPTIMISER = """
optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimiser, 2)
x = torch.ones(16, 4) * torch.arange(16.0)[:, None]
def step():
    optimiser.zero_grad()
    loss = ((model(x) - 1) ** 2).mean()
    loss.backward()
    optimiser.step()
    schedule.step()
    return float(loss.detach())
"""


class TestModels:
    def test_a_model_with_all_its_parts(self) -> None:
        kernel = Kernel(IMPORT, MODEL, "model.eval(); model.layers[0].bias.requires_grad_(False)")
        fresh = Kernel(IMPORT, MODEL)
        fresh.load(kernel.dump("model").blob)
        model = fresh.ns["model"]
        assert not model.training
        assert not any(part.training for part in model.modules())
        assert model.tied is model.layers[0].weight
        assert isinstance(model.tied, torch.nn.Parameter)
        assert not model.layers[0].bias.requires_grad
        assert model.scratch.tolist() == [0, 0]
        x = torch.ones(3, 4)
        assert model(x).tolist() == kernel.ns["model"](x).tolist()
        assert type(model) is fresh.ns["Net"]

    def test_training_goes_on_as_if_uninterrupted(self) -> None:
        old, new = Kernel(IMPORT, MODEL, OPTIMISER), Kernel(IMPORT, MODEL, OPTIMISER)
        for _ in range(3):
            old.ns["step"]()
        new.load(old.dump("model", "optimiser", "schedule").blob)
        parameters = {id(item) for item in new.ns["model"].parameters()}
        assert {id(item) for group in new.ns["optimiser"].param_groups for item in group["params"]} == parameters
        assert new.ns["schedule"].optimizer is new.ns["optimiser"]
        losses = []
        for kernel in (old, new):
            torch.manual_seed(5)
            losses.append([kernel.ns["step"]() for _ in range(3)])
        assert losses[0] == losses[1]

    def test_an_optimiser_of_a_model_that_is_an_input(self) -> None:
        old, new = Kernel(IMPORT, MODEL, OPTIMISER), Kernel(IMPORT, MODEL, OPTIMISER)
        dump = old.dump("optimiser", "schedule", shared=("model",))
        assert dump.shared == ("model",)
        new.load(dump.blob)
        parameters = [id(item) for item in new.ns["model"].parameters()]
        assert [id(item) for group in new.ns["optimiser"].param_groups for item in group["params"]] == parameters

    def test_a_state_dict_shares_with_its_model(self) -> None:
        ns = restored("state = model.state_dict()", "state", "model", before=IMPORT + MODEL)
        with torch.no_grad():
            ns["model"].layers[0].bias[0] = 7
        assert ns["state"]["layers.0.bias"][0] == 7

    def test_hooks_of_a_module_are_kept(self) -> None:
        source = "seen = []\nmodel.register_forward_hook(lambda m, i, o: seen.append(1))"
        ns = restored(source, "model", before=IMPORT + MODEL + "seen = []\n")
        ns["model"](torch.ones(3, 4))
        assert ns["seen"] == [1]

    def test_data_sets_and_loaders(self) -> None:
        source = """
            data = torch.utils.data.TensorDataset(torch.arange(10))
            loader = torch.utils.data.DataLoader(data, batch_size=3)
            """
        ns = restored(source, "data", "loader", before=IMPORT + "import torch.utils.data\n")
        assert ns["loader"].dataset is ns["data"]
        assert [len(batch) for (batch,) in ns["loader"]] == [3, 3, 3, 1]

    def test_a_compiled_script_is_saved_or_named(self) -> None:
        script = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
        assert unsaved(script=script, ok=1).keys() == {"script"}


def _address(buffer: Any) -> int:
    return int(np.frombuffer(buffer, "u1").__array_interface__["data"][0])


def _words(tensor: Any) -> str:
    tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
    tensor = tensor.int_repr() if tensor.is_quantized else tensor
    return str(tensor.float().tolist() if not tensor.is_complex() else tensor.tolist())


def test_a_missing_buffer_is_an_error() -> None:
    dump = NotebookSerializer({}).dump({"x": torch.ones(100_000)})
    with pytest.raises(SerializationError):
        NotebookSerializer({}).load(Blob(dump.blob.stream))
