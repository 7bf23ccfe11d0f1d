"""Arrays as netCDF-C writes them (NCZarr, and plain Zarr): ``python netcdf_c.py netcdf_c.zip``.

Needs ``netCDF4==1.7.5.1`` (its wheel has netCDF-C 4.10.1 with NCZarr).
"""

import sys

import netCDF4
import numpy as np
from write import write_zip

RAMP = np.arange(35).reshape(7, 5)


def make(mode: str):
    def made(root: str) -> dict:
        values = {}
        with netCDF4.Dataset(f"file://{root}#mode={mode},file", "w") as data:
            data.title = "made by netCDF-C"
            data.createDimension("y", 7)
            data.createDimension("x", 5)
            for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"):
                for endian in ("little", "big"):
                    name = f"{endian}_{kind}"
                    variable = data.createVariable(name, kind, ("y", "x"), endian=endian, chunksizes=(4, 3))
                    variable.units = "m"
                    variable[...] = values[name] = RAMP.astype(kind)
            variable = data.createVariable(
                "zlib", "f4", ("y", "x"), zlib=True, complevel=3, shuffle=True, chunksizes=(4, 3)
            )
            variable[...] = values["zlib"] = (RAMP / 7).astype("f4")
            variable = data.createVariable("filled", "f4", ("y", "x"), fill_value=-1.5, chunksizes=(4, 3))
            variable[:4, :3] = 2.0
            values["filled"] = np.full((7, 5), -1.5, dtype="f4")
            values["filled"][:4, :3] = 2.0
            variable = data.createVariable("scalar", "i4", ())
            variable[...] = 42
            values["scalar"] = np.array(42, dtype="i4")
            variable = data.createVariable("text", "S1", ("x",))
            variable[...] = values["text"] = np.array([b"a", b"b", b"c", b"d", b"e"], dtype="S1")
            group = data.createGroup("inner")
            variable = group.createVariable("deep", "i2", ("y", "x"))
            variable[...] = values["inner/deep"] = RAMP.astype("i2")
        return values

    return made


if __name__ == "__main__":
    write_zip(sys.argv[1], {"nczarr": make("nczarr"), "zarr": make("zarr"), "xarray": make("xarray")})
