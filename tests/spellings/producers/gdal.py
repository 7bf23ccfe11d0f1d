"""Arrays as GDAL writes them: ``python gdal.py gdal.zip``.

Needs ``rasterio==1.4.4``, whose wheel has GDAL 3.10.3 with its Zarr driver.
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from write import write_zip

RAMP = np.arange(35).reshape(7, 5)


def make(**options):
    def made(root: str) -> dict:
        values = {}
        Path(root).mkdir()
        for kind in ("uint8", "int16", "float64", "complex64"):
            name = f"{kind}.zarr"
            profile = {
                "driver": "Zarr",
                "width": 5,
                "height": 7,
                "count": 1,
                "dtype": kind,
                "transform": from_origin(10, 50, 0.5, 0.5),
                "crs": "EPSG:4326",
            }
            with rasterio.open(f"{root}/{name}", "w", BLOCKSIZE="4,3", **profile, **options) as raster:
                raster.write(RAMP.astype(kind), 1)
            values[f"{name}/{kind}"] = RAMP.astype(kind)
        return values

    return made


if __name__ == "__main__":
    write_zip(
        sys.argv[1],
        {
            "v2": make(FORMAT="ZARR_V2", COMPRESS="NONE"),
            "v2_blosc": make(FORMAT="ZARR_V2", COMPRESS="BLOSC"),
            "v2_zlib_slash": make(FORMAT="ZARR_V2", COMPRESS="ZLIB", DIM_SEPARATOR="/"),
            "v3": make(FORMAT="ZARR_V3", COMPRESS="GZIP"),
        },
    )
