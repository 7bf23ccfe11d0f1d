"""Arrays as z5py writes them, N5 and Zarr: ``python z5.py z5.zip``.

Needs ``z5py==3.0.2``.
"""

import sys
from pathlib import Path

import numpy as np
import z5py
from write import write_zip

RAMP = np.arange(35).reshape(7, 5)


def make(is_zarr: bool):
    def made(root: str) -> dict:
        values = {}
        Path(root).mkdir()
        # z5py goes by the suffix.
        with z5py.File(f"{root}/data.{'zarr' if is_zarr else 'n5'}", mode="w") as file:
            file.attrs["title"] = "made by z5py"
            for kind in (
                "int8",
                "int16",
                "int32",
                "int64",
                "uint8",
                "uint16",
                "uint32",
                "uint64",
                "float32",
                "float64",
            ):
                values[f"dtype/{kind}"] = RAMP.astype(kind)
                file.create_dataset(f"dtype/{kind}", data=values[f"dtype/{kind}"], chunks=(4, 3), compression="raw")
            compressions = ["gzip", "blosc"] + (["zlib"] if is_zarr else ["bzip2", "xz", "lz4"])
            for compression in compressions:
                name = f"compression/{compression}"
                file.create_dataset(name, data=RAMP.astype("int32"), chunks=(4, 3), compression=compression)
                values[name] = RAMP.astype("int32")
        return values

    return made


if __name__ == "__main__":
    write_zip(sys.argv[1], {"n5": make(False), "zarr": make(True)})
