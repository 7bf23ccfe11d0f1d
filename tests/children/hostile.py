"""Reads values that were tampered with: `hostile.py CHAIN SEED COUNT FOLDER`. Prints what went wrong as JSON.

What may come of a read is data of the right shape, or an error of zarrpipe's tree that says where. Whatever else comes
is printed, each kind once, with how to get it again. A chain is one of those below, or of `every_codec.py`.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import zarrpipe
from zarrpipe.errors import CodecError, StoreError

sys.path.append(str(Path(__file__).parents[1]))
import every_codec

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
GZIP = {"name": "gzip", "configuration": {"level": 1}}
ZSTD = {"name": "zstd", "configuration": {"level": 1, "checksum": False}}
ZSTD_CHECKED = {"name": "zstd", "configuration": {"level": 1, "checksum": True}}
CRC = {"name": "crc32c"}


def blosc(cname: str, shuffle: str, blocksize: int = 0) -> dict[str, Any]:
    configuration = {"cname": cname, "clevel": 5, "shuffle": shuffle, "typesize": 2, "blocksize": blocksize}
    return {"name": "blosc", "configuration": configuration}


def sharding(codecs: list[Any], index_codecs: list[Any], where: str = "end", side: int = 16) -> list[Any]:
    configuration = {
        "chunk_shape": [side, side],
        "codecs": codecs,
        "index_codecs": index_codecs,
        "index_location": where,
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


CHAINS: dict[str, list[Any]] = {
    "raw": [LITTLE],
    "big-endian": [BIG],
    "transpose": [TRANSPOSE, BIG],
    "gzip": [LITTLE, GZIP],
    "gzip-gzip": [LITTLE, GZIP, GZIP],
    "zstd": [LITTLE, ZSTD],
    "zstd-checked": [TRANSPOSE, LITTLE, ZSTD_CHECKED],
    "blosc-lz4": [LITTLE, blosc("lz4", "shuffle")],
    "blosc-lz4hc-blocks": [LITTLE, blosc("lz4hc", "bitshuffle", 4096)],
    "blosc-blosclz": [LITTLE, blosc("blosclz", "noshuffle")],
    "blosc-zlib": [BIG, blosc("zlib", "bitshuffle")],
    "blosc-zstd": [LITTLE, blosc("zstd", "shuffle", 4096)],
    "blosc-snappy": [LITTLE, blosc("snappy", "shuffle")],
    "crc32c": [LITTLE, CRC],
    "zstd-crc32c": [LITTLE, ZSTD, CRC],
    "crc32c-inside": [LITTLE, CRC, GZIP],
    # Without a checksum of the index, so that its lies are believed.
    "shard": sharding([LITTLE], [LITTLE]),
    "shard-index-first": sharding([LITTLE, ZSTD], [BIG], "start"),
    "shard-blosc": sharding([LITTLE, blosc("lz4", "shuffle")], [LITTLE]),
    "shard-checked": sharding([LITTLE, CRC], [LITTLE, CRC]),
    "shard-transposed": [TRANSPOSE, *sharding([TRANSPOSE, BIG, GZIP], [LITTLE])],
    "shard-in-gzip": [*sharding([LITTLE], [LITTLE]), GZIP],
    "nested": sharding(sharding([LITTLE, ZSTD], [LITTLE], side=8), [LITTLE], side=32),
    "nested-index-first": sharding(sharding([BIG], [LITTLE], "start", 4), [LITTLE], "start", 32),
}
SHAPE, CHUNK = (64, 128), (64, 64)
KEY, PLACE = "g/a/c/0/1", (0, 1)
# Of these a chunk that was tampered with and then written is not what was written: they keep less than all numbers.
LOSSY = ("zfp", "cast", "delta", "astype", "fixedscaleoffset", "quantize", "scale_offset", "packbits of bits")
# What reading may cost besides what the process has when all is set up: buffers of threads, dictionaries of lzma.
SPARE_NBYTES = 400 << 20
# What lengths and offsets are made of.
NUMBERS = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 2, 2**64 - 1]


def mutate(good: bytes, chance: random.Random) -> bytes:
    """Return a value that someone tampered with."""
    data = bytearray(good)
    if not data:
        return chance.randbytes(8)
    at = chance.choice([chance.randrange(len(data)), chance.randrange(min(64, len(data)))])
    at = chance.choice([at, len(data) - 1 - at])
    match chance.randrange(9):
        case 0:
            del data[at:]
        case 1:
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            for _ in range(chance.randrange(2, 20)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        case 3:
            size = chance.choice([1, 2, 4, 8])
            data[at : at + size] = (chance.choice(NUMBERS) % 2 ** (8 * size)).to_bytes(size, "little")
        case 4:
            # In place of a number of an index, which stand in eights.
            start = max(0, len(data) - 8 * chance.randrange(1, 64)) if chance.random() < 0.5 else 8 * (at // 8)
            data[start : start + 8] = chance.choice(NUMBERS).to_bytes(8, chance.choice(["little", "big"]))
        case 5:
            data += chance.randbytes(chance.choice([1, 4, 16, 1000]))
        case 6:
            data[at:at] = chance.randbytes(chance.choice([1, 4, 16]))
        case 7:
            data = bytearray(chance.randbytes(chance.choice([1, 3, 4, 8, 15, 16, 17, 100, len(data)])))
        case _:
            other = chance.randrange(len(data))
            data[min(at, other) : max(at, other)] = bytes(abs(at - other))
    return bytes(data)


class Watch:
    """Collects what must not happen."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.errors = self.reads = 0

    def note(self, kind: str, example: str) -> None:
        self.problems.setdefault(kind, example)

    def call(self, example: str, action: Callable[[], Any], shape: tuple[int, ...], key: str = KEY) -> Any:
        """Do it; return what it gives."""
        start = time.monotonic()
        result = None
        try:
            result = action()
        except (CodecError, StoreError) as error:
            self.errors += 1
            self.check_error(error, example, key)
        except BaseException as error:  # noqa: BLE001 - to be reported
            self.note(f"{type(error).__name__}: {error}"[:200], example)
        else:
            self.reads += 1
            if result.shape != shape:
                self.note(f"shape {result.shape} instead of {shape}", example)
        if time.monotonic() - start > 2:
            self.note("slow", example)
        return result

    def check_error(self, error: Exception, example: str, key: str) -> None:
        if "decode_chunk" in example:
            expected: dict[str, Any] = {}
        elif isinstance(error, CodecError):
            expected = {"array": "g/a", "key": key, "chunk": PLACE}
        else:
            expected = {"key": key}
        for name, value in expected.items():
            if getattr(error, name) != value:
                self.note(f"{type(error).__name__} with {name} {getattr(error, name)!r}", f"{example}: {error}")
        if isinstance(error, CodecError) and error.codec is None:
            self.note(f"{type(error).__name__} without a codec", f"{example}: {error}")


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def chain_of(name: str) -> tuple[str, list[Any], tuple[int, int], tuple[int, int]]:
    """The data type, the codecs, the shape and that of a chunk."""
    if name in CHAINS:
        return "uint16", CHAINS[name], SHAPE, CHUNK
    return *every_codec.CODECS[name], every_codec.SHAPE, every_codec.CHUNK


def items_of(dtype: str, seed: int, shape: tuple[int, int]) -> Any:
    if dtype != "uint16":
        return every_codec.values(dtype, seed, shape)
    return np.random.default_rng(seed).integers(0, 50, shape, dtype=np.uint16)


def objects(chain: str, seed: int, count: int) -> Watch:
    """As `main`, for objects of format 2, which have no simple equality."""
    watch, values = Watch(), every_codec.objects(chain)
    shape, chunk, filters = every_codec.SHAPE, every_codec.CHUNK, [every_codec.OBJECTS[chain][0]]
    options: dict[str, Any] = {"shape": shape, "chunks": chunk, "dtype": object, "zarr_format": 2, "filters": filters}
    array = zarrpipe.create_array(zarrpipe.stores.MemoryStore(), name="g/a", compressors=None, **options)
    array[...] = values
    key = f"g/a/{array.metadata.encode_chunk_key((0, 1))}"
    good = bytes(array.store.get_sync(key).as_numpy_array())
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + SPARE_NBYTES, -1))
    for n in range(4 * count):
        array.store.set_sync(key, zarrpipe.buffer.Buffer.from_bytes(mutate(good, random.Random(f"{chain} {seed} {n}"))))
        watch.call(f"{chain} {seed} {n} read", lambda: array[...], shape, key)
        watch.call(f"{chain} {seed} {n} part", lambda: array[:2, 15:18], (2, 3), key)
    array.store.set_sync(key, zarrpipe.buffer.Buffer.from_bytes(good))
    if repr(array[...].tolist()) != repr(values.tolist()):
        watch.note("the good value does not read any more", chain)
    return watch


def main() -> None:
    chain, seed, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    faulthandler.enable()
    if chain in every_codec.OBJECTS:
        watch = objects(chain, seed, count)
        json.dump({"problems": watch.problems, "errors": watch.errors, "reads": watch.reads}, sys.stdout)
        return
    dtype, codecs, shape, chunk = chain_of(chain)
    watch, values = Watch(), items_of(dtype, seed, shape)
    if dtype == "uint16":
        values[: chunk[0] // 4, chunk[1] : chunk[1] * 3 // 2] = 0
    new: Any = {"bool": True, "string": "éé", "bytes": b"\xff"}.get(dtype, 4)
    options: dict[str, Any] = {"shape": shape, "chunks": chunk, "dtype": dtype, "codecs": codecs}
    local = zarrpipe.create_array(folder, name="g/a", **options)
    memory = zarrpipe.create_array(zarrpipe.stores.MemoryStore(), name="g/a", **options)
    local[...] = memory[...] = values
    # What the codecs make of them.
    values = local[...]
    file = Path(folder) / KEY
    good = file.read_bytes()
    whole_checksum = codecs[-1] is CRC
    # Whoever takes a header's word for a size ends here.
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + SPARE_NBYTES, -1))
    for n in range(count):
        chance = random.Random(f"{chain} {seed} {n}")
        bad = mutate(good, chance)
        if bad == good:
            continue
        kind, array = ("local", local) if n % 2 else ("memory", memory)
        # Put aside what the store holds, with no codec's leave.
        if kind == "local":
            file.write_bytes(bad)
        else:
            memory.store.set_sync(KEY, zarrpipe.buffer.Buffer.from_bytes(bad))
        row, column = chance.randrange(chunk[0] - 4), chance.randrange(chunk[1], 2 * chunk[1] - 4)
        part = (slice(row, row + 4), slice(column, column + 4))
        for what, action, expected in (
            ("read", lambda: array[...], values),  # noqa: B023 - called at once
            ("part", lambda: array[part], values[part]),  # noqa: B023
            ("listed", lambda: array.oindex[[row, 0], column::3], values[[row, 0], column::3]),  # noqa: B023
            ("decode_chunk", lambda: array.decode_chunk(bad), values[: chunk[0], chunk[1] :]),  # noqa: B023
        ):
            example = f"{chain} {seed} {n} {kind} {what}"
            result = watch.call(example, action, expected.shape)
            if result is not None and whole_checksum and not np.array_equal(result, expected):
                watch.note("other values under a checksum", example)

        def write() -> Any:
            array[row, column] = new  # noqa: B023
            return array[row, column]  # noqa: B023

        written = watch.call(f"{chain} {seed} {n} {kind} write", write, ())
        if written is not None and written != new and not any(name in chain for name in LOSSY):
            watch.note("a write that is not there", f"{chain} {seed} {n} {kind}")
        if kind == "local":
            file.write_bytes(good)
    if not np.array_equal(local[...], values):
        watch.note("the good value does not read any more", chain)
    json.dump({"problems": watch.problems, "errors": watch.errors, "reads": watch.reads}, sys.stdout)


main()
