"""Arrays that other programs wrote: zarr-python 2, netCDF-C, GDAL and z5py, kept in ``spellings/``.

``spellings/producers`` has the programs' scripts. Each archive has what was written, and ``expected.json``: the values.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import zarrpipe
from zarrpipe.errors import MetadataError, UnsupportedError

ARCHIVES = Path(__file__).parent / "spellings"

# What cannot be read, and why.
REFUSED = {
    "zarr2/object/pickle": "pickle",
}


def expected() -> list[tuple[str, str, str]]:
    found = []
    for archive in sorted(ARCHIVES.glob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for root, arrays in json.loads(opened.read("expected.json")).items():
                found += [(archive.stem, root, path) for path in arrays]
    return found


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spellings")
    for archive in ARCHIVES.glob("*.zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder / archive.stem)
    return folder


def from_json(item: Any) -> Any:
    if isinstance(item, dict) and set(item) == {"bytes"}:
        return bytes.fromhex(item["bytes"])
    if isinstance(item, dict) and set(item) == {"array"}:
        return np.array(item["array"], dtype="<i4")
    return item


def as_dtype(descr: Any) -> np.dtype[Any]:
    if isinstance(descr, str):
        return np.dtype(descr)
    fields: list[Any] = []
    for name, kind, *shape in descr:
        fields.append((name, as_dtype(kind), *(tuple(extents) for extents in shape)))
    return np.dtype(fields)


def values_of(entry: dict[str, Any]) -> npt.NDArray[Any]:
    if entry["dtype"] == "O":
        values = np.empty(len(entry["items"]), dtype=object)
        values[:] = [from_json(item) for item in entry["items"]]
        return values.reshape(entry["shape"])
    return np.frombuffer(bytes.fromhex(entry["hex"]), dtype=as_dtype(entry["dtype"])).reshape(entry["shape"])


def same(found: npt.NDArray[Any], want: npt.NDArray[Any]) -> None:
    assert found.shape == want.shape
    if want.dtype == object:
        for ours, theirs in zip(found.reshape(-1), want.reshape(-1), strict=True):
            if isinstance(theirs, np.ndarray):
                np.testing.assert_array_equal(ours, theirs)
            else:
                assert ours == theirs
                assert type(ours) is type(theirs) or isinstance(ours, str)
        return
    # By bytes: a NaN is itself, and the type is the one that was written but for the byte order in memory.
    assert found.dtype.newbyteorder("=") == want.dtype.newbyteorder("=")
    native = want.dtype.newbyteorder("=")
    assert found.astype(native).tobytes() == want.astype(native).tobytes()


@pytest.mark.parametrize(("archive", "root", "path"), expected())
def test_reads(unpacked: Path, archive: str, root: str, path: str) -> None:
    with zipfile.ZipFile(ARCHIVES / f"{archive}.zip") as opened:
        entry = json.loads(opened.read("expected.json"))[root][path]
    store = unpacked / archive / root
    if (archive, root) == ("gdal", "v3"):
        # GDAL 3.10 leaves out the array-to-bytes codec, and writes null for no fill value: no reader takes that.
        with pytest.raises(MetadataError, match=r"array-to-bytes|fill value"):
            zarrpipe.open_array(store, path=path, mode="r")[...]
        return
    if archive == "z5":
        store /= f"data.{root}"
    if f"{root}/{path}" in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[f"{root}/{path}"]):
            zarrpipe.open_array(store, path=path, mode="r")[...]
        return
    array = zarrpipe.open_array(store, path=path, mode="r")
    want = values_of(entry)
    if path == "scalar":
        # netCDF-C stores what has no axes with one.
        want = want.reshape(array.shape)
    if path == "fill/none":
        # What the writer read where nothing was written was whatever its memory held.
        same(array[:2], want[:2])
        return
    same(array[...], want)
    if array.ndim == 2 and len(array) > 1:
        same(array[1:6:2, -1:], want[1:6:2, -1:])
        same(array[1], want[1])


@pytest.mark.parametrize(("archive", "root"), [("zarr2", "zarr2"), ("netcdf_c", "nczarr"), ("gdal", "v2/int16.zarr")])
def test_groups(unpacked: Path, archive: str, root: str) -> None:
    group = zarrpipe.open_group(unpacked / archive / root, mode="r")
    assert group.metadata.zarr_format == 2
    names = {path.name for path in (unpacked / archive / root).iterdir() if path.is_dir()}
    assert set(group.keys()) == names


def test_attributes(unpacked: Path) -> None:
    assert zarrpipe.open_group(unpacked / "zarr2" / "zarr2", mode="r").attrs["title"] == "made by zarr-python 2"
    assert zarrpipe.open_group(unpacked / "netcdf_c" / "nczarr", mode="r").attrs["title"] == "made by netCDF-C"
    assert zarrpipe.open_array(unpacked / "netcdf_c" / "zarr" / "big_i2", mode="r").attrs["units"] == "m"
    n5 = unpacked / "zarr2" / "n5"
    assert zarrpipe.open_array(n5, path="dtype/i4", mode="r").attrs["units"] == "m"
    assert zarrpipe.open_group(n5, mode="r", zarr_format="n5").attrs["title"] == "made by zarr-python 2"
