"""Packs what a producer wrote, with the values that it wrote, into one archive that the tests unpack."""

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np


def to_json(values: np.ndarray) -> dict:
    """Values as JSON: by their bytes where they have a fixed size, else as lists."""
    if values.dtype == object:
        items = [_plain(item) for item in values.reshape(-1)]
        return {"shape": values.shape, "dtype": "O", "items": items}
    descr = values.dtype.str if values.dtype.names is None else values.dtype.descr
    return {"shape": values.shape, "dtype": descr, "hex": np.ascontiguousarray(values).tobytes().hex()}


def _plain(item: object) -> object:
    if isinstance(item, bytes):
        return {"bytes": item.hex()}
    return {"array": item.tolist()} if isinstance(item, np.ndarray) else item


def write_zip(target: str, makers: dict) -> None:
    """Run each maker in a folder of its name, and pack the folders and ``expected.json``."""
    expected = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in makers.items():
            expected[name] = {path: to_json(np.asarray(values)) for path, values in make(f"{folder}/{name}").items()}
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    # A fixed time, so that the same arrays give the same archive.
                    archive.writestr(
                        zipfile.ZipInfo(str(path.relative_to(folder))), path.read_bytes(), zipfile.ZIP_DEFLATED
                    )
            archive.writestr(zipfile.ZipInfo("expected.json"), json.dumps(expected, indent=1), zipfile.ZIP_DEFLATED)
