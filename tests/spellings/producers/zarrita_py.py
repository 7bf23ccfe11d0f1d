"""Arrays as zarrita 0.2 writes them, format 3 and 2: ``python zarrita_py.py zarrita.zip``.

Needs ``zarrita==0.2.7``.
"""

import sys

import numpy as np
import zarrita
from write import write_zip
from zarrita import codecs

RAMP = np.arange(35).reshape(7, 5)


def make(root: str) -> dict:
    store = zarrita.LocalStore(root)
    values = {}
    chains = {
        "bytes": [codecs.bytes_codec()],
        "big": [codecs.bytes_codec("big")],
        "gzip": [codecs.bytes_codec(), codecs.gzip_codec(level=1)],
        "zstd": [codecs.bytes_codec(), codecs.zstd_codec()],
        "blosc": [codecs.bytes_codec(), codecs.blosc_codec(typesize=4)],
        "crc32c": [codecs.bytes_codec(), codecs.crc32c_codec()],
        "transpose": [codecs.transpose_codec((1, 0)), codecs.bytes_codec()],
        "sharding": [codecs.sharding_codec((2, 3), [codecs.bytes_codec(), codecs.zstd_codec(), codecs.crc32c_codec()])],
        "sharding_start": [codecs.sharding_codec((4, 1), [codecs.bytes_codec()], index_location="start")],
    }
    for name, chain in chains.items():
        array = zarrita.Array.create(
            store / name, shape=RAMP.shape, dtype="int32", chunk_shape=(4, 3), codecs=chain, attributes={"name": name}
        )
        array[:, :] = values[name] = RAMP.astype("int32")
    return values


def make_v2(root: str) -> dict:
    store = zarrita.LocalStore(root)
    values = {}
    for name, options in {
        "plain": {},
        "F": {"order": "F"},
        "slash": {"dimension_separator": "/"},
        "blosc": {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}},
    }.items():
        array = zarrita.ArrayV2.create(
            store / name, shape=RAMP.shape, dtype=np.dtype("int32"), chunks=(4, 3), **options
        )
        array[:, :] = values[name] = RAMP.astype("int32")
    return values


if __name__ == "__main__":
    write_zip(sys.argv[1], {"v3": make, "v2": make_v2})
