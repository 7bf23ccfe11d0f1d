"""Prints, as JSON, what zarr-python 2 reads of the arrays below a folder: ``python zarr2_reads.py folder paths...``.

Run by an interpreter that has zarr-python 2; `spellings/producers/write.py` says how values look as JSON.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "spellings" / "producers"))
from write import to_json

warnings.simplefilter("ignore")


def main() -> None:
    import zarr

    root, *paths = sys.argv[1:]
    found = {}
    for path in paths:
        array = zarr.open_array(f"{root}/{path}", mode="r")
        found[path] = {
            **to_json(np.asarray(array[...])),
            "stored dtype": str(array.dtype),
            "order": array.order,
            "attributes": array.attrs.asdict(),
        }
    print(json.dumps(found))


main()
