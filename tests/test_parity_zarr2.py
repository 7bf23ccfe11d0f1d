"""Arrays of format 2 and of N5 by zarr-python 2, which many of them are by: it runs in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import zarrpipe

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-zarr2" / "bin" / "python"


def run(command: str, folder: Path) -> str:
    if not PYTHON.exists():
        pytest.skip("allowed: .venv-zarr2 is made by make")
    # Isolated: the environment of the tests has another zarr.
    child = subprocess.run(
        [PYTHON, "-I", ROOT / "tests" / "children" / "zarr2.py", command, folder],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zarr2")
    run("write", folder)
    return folder


def test_arrays_by_zarr_2_read_here(written: Path) -> None:
    root = zarrpipe.open_group(written / "zarr", mode="r")
    assert (root.zarr_format, dict(root.attrs)) == (2, {"title": "by zarr-python 2"})
    arrays = [(name, node) for name, node in root.members(max_depth=None) if isinstance(node, zarrpipe.Array)]
    assert len(arrays) == 37
    for name, array in arrays:
        expected = np.load(written / f"{name.replace('/', '-')}.npy")
        np.testing.assert_array_equal(array[...], expected, err_msg=name, strict=False)
        np.testing.assert_array_equal(array[2:9:3, 1:], expected[2:9:3, 1:], err_msg=name)
        assert dict(array.attrs) == {"name": name.replace("/", "-")} or dict(array.attrs) == {"name": name}


def test_arrays_by_us_read_by_zarr_2(written: Path, tmp_path: Path) -> None:
    """Each array of theirs, written again with the same metadata."""
    theirs = zarrpipe.open_group(written / "zarr", mode="r")
    ours = zarrpipe.create_group(tmp_path / "zarr", zarr_format=2)
    names = [name for name, node in theirs.members(max_depth=None) if isinstance(node, zarrpipe.Array)]
    for index, name in enumerate(names):
        source = theirs[name]
        assert isinstance(source, zarrpipe.Array)
        path = f"a{index}"
        copy = zarrpipe.empty_like(source, store=tmp_path / "zarr", path=path)
        assert copy.metadata.update_attributes({}) == source.metadata.update_attributes({})
        copy[...] = source[...]
        copy.attrs["name"] = path
        np.save(tmp_path / f"{path}.npy", source[...])
    assert len(list(ours)) == len(names)
    assert run("read", tmp_path) == f"{len(names)}\n"


def test_n5_by_zarr_2_read_here(written: Path) -> None:
    root = zarrpipe.open_group(written / "n5", mode="r")
    assert (root.zarr_format, dict(root.attrs)) == ("n5", {"title": "N5"})
    arrays = [(name, node) for name, node in root.members(max_depth=None) if isinstance(node, zarrpipe.Array)]
    assert len(arrays) == 16
    for name, array in arrays:
        expected = np.load(written / f"n5-{name.replace('/', '-')}.npy")
        np.testing.assert_array_equal(array[...], expected, err_msg=name)
        np.testing.assert_array_equal(array[2:9:3, 1:], expected[2:9:3, 1:], err_msg=name)
        assert (array.dtype, dict(array.attrs)) == (expected.dtype, {"unit": "nm"})
        # The block that is not stored is none.
        assert array.info_complete().count_chunks_initialized == array.nchunks - 1
