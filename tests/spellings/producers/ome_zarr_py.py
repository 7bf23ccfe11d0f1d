"""Images as ome-zarr-py writes them, OME-Zarr 0.4 and 0.5: ``python ome_zarr_py.py ome_zarr.zip``.

Needs ``ome-zarr==0.21.0`` (with zarr-python 3.4.2).
"""

import sys
import warnings

import numpy as np
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_image
from write import write_zip

warnings.simplefilter("ignore")


def make(fmt):
    def made(root: str) -> dict:
        image = np.arange(2 * 3 * 16 * 20, dtype="uint16").reshape(2, 3, 16, 20)
        group = zarr.open_group(root, mode="w", zarr_format=fmt.zarr_format)
        write_image(image, group, fmt=fmt, axes="czyx", storage_options={"chunks": (1, 2, 8, 8)})
        datasets = dict(group.attrs.get("ome", group.attrs))["multiscales"][0]["datasets"]
        return {dataset["path"]: group[dataset["path"]][...] for dataset in datasets}

    return made


if __name__ == "__main__":
    write_zip(sys.argv[1], {"v04": make(FormatV04()), "v05": make(FormatV05())})
