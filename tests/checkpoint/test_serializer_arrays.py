"""NumPy arrays come back as they were, and those that share memory share it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.errors import SerializationError

from .serializing import Kernel, restored, round_trip, unsaved


class TestSharedMemory:
    VIEWS = ("x[2:5]", "x[::-1]", "x[::2]", "x.reshape(-1)", "x.T", "x[3]", "x.view('u8')")

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("view", VIEWS)
    def test_between_outputs(self, view: str, order: str) -> None:
        if order == "F" and ("reshape" in view or "u8" in view):
            view = "x[1:]"
        made = f"x = np.asarray(np.arange(3000.).reshape(30, 100), order='{order}').copy('A'); y = {view}"
        for names in ("xy", "yx"):
            ns = restored(made, *names)
            assert np.shares_memory(ns["x"], ns["y"])
            np.testing.assert_array_equal(ns["y"], Kernel(made).ns["y"])
            ns["y"][...] = 7
            assert (ns["x"] == Kernel(made, "y[...] = 7").ns["x"]).all()

    def test_between_two_views(self) -> None:
        ns = restored("x = np.arange(1000); a = x[:600]; b = x[400:]", "a", "b")
        ns["a"][500] = -1
        assert ns["b"][100] == -1

    @pytest.mark.parametrize(
        ("made", "write", "read"),
        {
            "in containers": ("d = {'x': np.zeros(1000)}; e = [d['x'][::2]]", "d['x'][4] = 7", "e[0][2]"),
            "in one value": ("d = {'x': np.zeros(1000)}; d['y'] = d['x'][::2]; e = 0", "d['y'][2] = 7", "d['x'][4]"),
            "in an instance": ("d = C(); d.x = np.zeros(9); e = (d.x[1:],)", "e[0][1] = 7", "d.x[2]"),
            "in a closure": ("d = np.zeros(9)\ndef f(y): return lambda: y[2]\ne = f(d[1:])", "d[3] = 7", "e()"),
            "of objects": ("d = np.array([None] * 9); e = [d[::-2]]", "d[2] = 7", "e[0][3]"),
            "masked": ("d = np.zeros(9); e = np.ma.masked_array(d[1:])", "d[1] = 7", "e[0]"),
            "of a subclass": ("d = np.matrix(np.zeros((3, 3))); e = d.T", "d[2, 0] = 7", "e[0, 2]"),
        }.values(),
    )
    def test_wherever_they_are(self, made: str, write: str, read: str) -> None:
        ns = restored(made, "d", "e", before="class C: pass")
        exec(write, ns)
        assert eval(read, ns) == 7

    @pytest.mark.parametrize(
        ("before", "made", "write", "read"),
        [
            ("a = {'x': [np.zeros(1000)]}", "b = {'y': a['x'][0][5:]}", "b['y'][0] = 7", "a['x'][0][5]"),
            ("a = {'x': [np.zeros(1000)]}", "b = [a['x'][0]]", "b[0][5] = 7", "a['x'][0][5]"),
            ("x = np.zeros(1000); a = x[:]; y = a", "b = a.base", "b[5] = 7", "a[5]"),
            ("a = np.zeros(1000); y = a", "b = [a[5:], a[:10]]", "b[0][0] = 7", "y[5]"),
            ("a = np.zeros(1000)", "b = [a[5:], a[:10]]", "b[0][0] = 7", "a[5] and b[1][5]"),
        ],
    )
    def test_with_a_part_of_an_input(self, before: str, made: str, write: str, read: str) -> None:
        old, new = Kernel(before, made), Kernel(before)
        inputs = tuple(name for name in "ay" if name in old.ns)
        dump = old.dump("b", shared=inputs)
        assert dump.shared in (("a",), ("y",))
        new.load(dump.blob)
        new.run(write)
        assert eval(read, new.ns) == 7

    def test_what_an_input_views_only_a_part_of_is_refused(self) -> None:
        kernel = Kernel("x = np.zeros(100); a = x[5:50]; b = {'x': x}; part = x[10:20]; other = x[60:]; ok = 1")
        dump = kernel.dump("b", "other", "ok", shared=("a",))
        assert dump.unsaved.keys() == {"b"}
        assert "an input is a view of a part" in dump.unsaved["b"]
        assert kernel.dump("part", "ok", shared=("a",)).unsaved == {}

    def test_only_the_memory_that_is_seen_is_saved(self) -> None:
        kernel = Kernel("x = np.arange(1_000_000); a = x[:600]; b = x[400:1000]")
        assert sum(memoryview(item).nbytes for item in kernel.dump("a", "b").blob.buffers) == 8000

    def test_views_that_do_not_overlap_are_saved_alone(self) -> None:
        kernel = Kernel("x = np.arange(100_000); a = x[:10]; b = x[10:20]")
        assert len(kernel.dump("a", "b").blob.stream) < 1000
        assert kernel.dump("a", "b").blob.buffers == ()

    def test_with_an_input(self) -> None:
        old, new = Kernel("x = np.arange(1000)", "y = x[10:]"), Kernel("x = np.arange(1000)")
        dump = old.dump("y", shared=("x",))
        assert dump.shared == ("x",)
        new.load(dump.blob)
        new.ns["y"][0] = -1
        assert new.ns["x"][10] == -1

    def test_with_an_input_that_lies_otherwise(self) -> None:
        old, new = Kernel("x = np.ones((30, 20))", "y = x[10:]"), Kernel("x = np.ones((30, 20), order='F')")
        dump = old.dump("y", shared=("x",))
        with pytest.raises(SerializationError, match="laid out"):
            new.load(dump.blob)

    def test_with_an_input_of_one_element(self) -> None:
        old, new = Kernel("x = np.arange(3)[::3]", "y = x[:]"), Kernel("x = np.zeros(1, int)")
        new.load(old.dump("y", shared=("x",)).blob)
        new.ns["y"][0] = 7
        assert new.ns["x"][0] == 7

    def test_read_only_views_stay_so(self) -> None:
        ns = restored("x = np.arange(1000); y = x[:]; y.flags.writeable = False", "x", "y")
        assert (ns["x"].flags.writeable, ns["y"].flags.writeable) == (True, False)


VARIED: dict[str, Any] = {
    "dates": np.arange(4000).astype("M8[s]"),
    "spans": np.arange(4000).astype("m8[D]"),
    "big-endian": np.arange(4000, dtype=">f8"),
    "complex": np.arange(4000) * 1j,
    "records": np.zeros(4000, [("a", "i4"), ("b", "U3")]),
    "records with dates": np.zeros(4000, [("a", "M8[s]"), ("b", ">i2")]),
    "rec": np.rec.array(np.zeros(4000, [("a", "i4"), ("b", "U3")])),
    "texts": np.array(["x" * 50] * 400),
    "bytes": np.array([b"x" * 50] * 400),
    "with gaps": np.arange(8000)[::2],
    "backwards": np.arange(8000)[::-1],
    "permuted": np.ones((10, 20, 30)).transpose(1, 2, 0),
    "permuted with gaps": np.arange(12000).reshape(20, 20, 30).transpose(1, 2, 0)[:, ::2],
    "Fortran": np.asfortranarray(np.ones((60, 70))),
    "matrix": np.matrix(np.ones((60, 70))),
    "broadcast": np.broadcast_to(np.arange(1000), (5, 1000)).copy(),
    "0-d": np.array(3.5),
    "0-d date": np.array("2020-01-01", "M8[D]"),
    "empty": np.zeros((0, 3), "M8[s]"),
}


class PickledByNumPy:
    def __init__(self, array: Any) -> None:
        self._array = array

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._array.__reduce_ex__(protocol)


class TestArrays:
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("size", [0, 3, 100, 1000])
    def test_are_equal_and_writable(self, size: int, order: Any) -> None:
        array = np.asarray(np.random.default_rng(0).random((size, 5)), order=order)
        found = round_trip(array)
        np.testing.assert_array_equal(found, array)
        assert (found.flags.writeable, found.dtype) == (True, array.dtype)
        assert found.flags.f_contiguous == array.flags.f_contiguous

    @pytest.mark.parametrize("size", [3, 100_000])
    def test_read_only_stays_read_only(self, size: int) -> None:
        array = np.arange(size)
        array.flags.writeable = False
        assert not round_trip(array).flags.writeable

    @pytest.mark.parametrize("array", [np.arange(5), np.arange(9.0)[::2], np.array(["2020-01-01"], "M8[D]")])
    def test_small_ones_own_their_memory(self, array: Any) -> None:
        found = round_trip(array)
        assert found.flags.owndata
        del array
        found.resize(1000, refcheck=False)

    @pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_those_that_a_library_pickles_in_numpys_way(self, axes: Any) -> None:
        array = np.arange(24.0).reshape(2, 3, 4).transpose(axes)
        found = round_trip(PickledByNumPy(array))
        np.testing.assert_array_equal(found, array)
        assert found.flags.owndata

    def test_large_ones_are_buffers_and_small_ones_are_not(self) -> None:
        serializer = NotebookSerializer({})
        dump = serializer.dump({"small": np.zeros(10), "large": np.zeros(10**6), "same": pd.Series(np.ones(10**5))})
        assert sorted(len(buffer) for buffer in dump.blob.buffers) == [800_000, 8_000_000]
        assert len(dump.blob.stream) < 5000

    def test_strided_object_and_structured(self) -> None:
        for array in (np.arange(100)[::3], np.array([1, "a", None], object), np.zeros(3, [("a", "i4"), ("b", "U3")])):
            np.testing.assert_array_equal(round_trip(array), array)

    @pytest.mark.parametrize("array", VARIED.values(), ids=VARIED.keys())
    def test_are_buffers_that_come_back_as_they_were(self, array: Any) -> None:
        dump = NotebookSerializer({}).dump({"array": array})
        assert len(dump.blob.stream) < 1500
        found = round_trip(array)
        np.testing.assert_array_equal(found, array)
        assert (type(found), found.dtype, found.shape) == (type(array), array.dtype, array.shape)
        assert found.flags.writeable

    @pytest.mark.parametrize("array", VARIED.values(), ids=VARIED.keys())
    def test_read_only_stays_so_in_every_form(self, array: Any) -> None:
        array = array[...]
        array.flags.writeable = False
        assert not round_trip(array).flags.writeable

    def test_read_only_arrays_of_objects(self) -> None:
        array = np.array([1, None, "x"], object)
        array[1] = array
        array.flags.writeable = False
        found = round_trip(array)
        assert not found.flags.writeable
        assert found[1] is found

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_objects_that_hold_views_of_their_array(self, order: Any) -> None:
        array = np.zeros((2, 3), object, order)
        array[0] = [[array[1:]], array, [1, 2]]
        found = round_trip(array)
        assert (found[0, 1] is found, found[0, 2], found.flags.f_contiguous) == (True, [1, 2], order == "F")
        found[1, 0] = 7
        assert found[0, 0][0][0, 0] == 7

    def test_masked_arrays_keep_everything(self) -> None:
        array = np.ma.masked_array(np.arange(5000), np.arange(5000) % 2, fill_value=-7, hard_mask=True)
        array.note = {"unit": "m"}
        found = round_trip(array)
        assert (found.filled() == array.filled()).all()
        assert (found.hardmask, found.note) == (True, {"unit": "m"})
        assert round_trip(np.ma.masked_array([1, 2])).mask is np.ma.nomask

    def test_the_attributes_of_a_class_of_arrays_are_kept(self) -> None:
        ns = restored("class A(np.ndarray): pass\na = np.zeros(3).view(A); a.unit = 'm'; a.me = a", "A", "a")
        assert (type(ns["a"]), ns["a"].unit) == (ns["A"], "m")
        assert ns["a"].me is ns["a"]

    def test_a_class_of_arrays_that_pickles_itself(self) -> None:
        source = """
            def build(kind): return np.zeros(4).view(kind)
            class A(np.ndarray):
                def __reduce__(self): return build, (type(self),)
            a = np.zeros(3).view(A)
            """
        assert restored(source, "a")["a"].shape == (4,)


class TestMapsOfFiles:
    def test_one_that_is_written_is_refused(self, tmp_path: Path) -> None:
        array = np.memmap(tmp_path / "m", dtype="u1", mode="w+", shape=(10,))
        assert "memory-mapped" in unsaved(array=array, ok=1)["array"]
        assert "memory-mapped" in unsaved(array=np.asarray(array)[2:])["array"]

    def test_one_that_is_read_maps_the_file_again(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.arange(100_000).reshape(100, 1000))
        array = np.load(tmp_path / "a.npy", mmap_mode="r")
        dump = NotebookSerializer({}).dump({"array": array, "part": array[3::2, 10:20], "plain": np.asarray(array[5])})
        assert dump.blob.buffers == ()
        found = NotebookSerializer({}).load(dump.blob)
        assert found["array"].filename == array.filename
        assert np.shares_memory(found["array"], found["part"])
        for name, value in {"array": array, "part": array[3::2, 10:20], "plain": array[5]}.items():
            np.testing.assert_array_equal(found[name], value)
            assert not found[name].flags.writeable

    @pytest.mark.parametrize("change", ["written", "gone"])
    def test_a_file_that_changed_is_an_error(self, tmp_path: Path, change: str) -> None:
        path = tmp_path / "m"
        path.write_bytes(b"abc")
        dump = NotebookSerializer({}).dump({"array": np.memmap(path, dtype="u1", mode="r")})
        path.write_bytes(b"abcd") if change == "written" else path.unlink()
        with pytest.raises(SerializationError, match=str(path)):
            NotebookSerializer({}).load(dump.blob)

    def test_a_private_map_is_saved_with_its_bytes(self, tmp_path: Path) -> None:
        path = tmp_path / "m"
        path.write_bytes(b"abc")
        array = np.memmap(path, dtype="u1", mode="c")
        array[0] = 0
        path.unlink()
        assert bytes(round_trip(array)) == b"\0bc"
