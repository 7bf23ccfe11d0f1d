"""What any array may be: data types and items of theirs, chains that fit, grids; and selections, as NumPy has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from zarrpipe.dtypes import parse_dtype

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]
SMALL_BITS = {
    "int2": 2,
    "int4": 4,
    "uint2": 2,
    "uint4": 4,
    "float4_e2m1fn": 4,
    "float6_e2m3fn": 6,
    "float6_e3m2fn": 6,
}
FLOAT8 = ["e3m4", "e4m3", "e4m3b11fnuz", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu"]
SMALL_FLOATS = [name for name in SMALL_BITS if name.startswith("float")] + [f"float8_{name}" for name in FLOAT8]
FIELDS = [
    {"name": "a", "data_type": "int16"},
    {
        "name": "b",
        "data_type": {"name": "struct", "configuration": {"fields": [{"name": "x", "data_type": "float64"}]}},
    },
    {"name": "c", "data_type": "bool"},
    {"name": "d", "data_type": {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}},
]


def named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


DATA_TYPES: list[Any] = [
    *("bool", *INTEGERS, *FLOATS, "bfloat16", "complex64", "complex128", *SMALL_BITS),
    *(f"float8_{name}" for name in (*FLOAT8, "e4m3fn")),
    *(f"complex_{name}" for name in (*FLOATS, "bfloat16", *SMALL_FLOATS)),
    *("r8", "r24", named("raw_bytes", length_bytes=5), named("null_terminated_bytes", length_bytes=3)),
    named("fixed_length_utf32", length_bytes=12),
    *(named(f"numpy.{kind}64", unit=unit, scale_factor=3) for kind, unit in (("datetime", "ms"), ("timedelta", "D"))),
    *(named("struct", fields=FIELDS), "string", "bytes"),
]
TEXTS = ["", "a", "zwölf", "日本語", "\0", "x" * 40, "𝄞", "trailing\0"]

# Items


def random_items(data_type: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Items of any bits that the data type has, NaNs of all kinds too; those of variable length as objects."""
    random = np.random.default_rng(seed)
    if data_type in ("string", "bytes"):
        items = np.empty(shape, dtype=object)
        for at, n in np.ndenumerate(random.integers(0, len(TEXTS), shape)):
            items[at] = TEXTS[n] if data_type == "string" else TEXTS[n].encode("utf-16")
        return items
    return items_of(random, parse_dtype(data_type).to_native_dtype(), str(data_type), shape)


def items_of(random: np.random.Generator, native: np.dtype[Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Items of a NumPy data type, with the bits that the name's has."""
    items = np.zeros(shape, native)
    if native.names:
        for field in native.names:
            items[field] = items_of(random, native[field], name.removeprefix("complex_"), shape)
    elif native.kind == "U":
        letters = random.integers(0, 0x300, (math.prod(shape), native.itemsize // 4), dtype="u4")
        items = np.frombuffer(letters.astype(native.byteorder + "u4").tobytes(), native).reshape(shape).copy()
    else:
        small = next((bits for short, bits in SMALL_BITS.items() if name.removeprefix("complex_") == short), 8)
        top = 1 if native.kind == "b" else 2**small - 1
        raw = random.integers(0, top, (math.prod(shape), native.itemsize), dtype="u1", endpoint=True)
        items = np.frombuffer(raw.tobytes(), native).reshape(shape).copy()
    return items


def same(found: Any, want: Any) -> bool:
    """Whether two arrays have the same bits, NaNs and the sign of zero included."""
    found, want = np.asarray(found), np.asarray(want)
    if found.shape != want.shape:
        return False
    if want.dtype == object or want.dtype.kind == "T":
        return bool(found.tolist() == want.tolist())
    return found.dtype == want.dtype and found.tobytes() == want.tobytes()


# Chains


@dataclass
class Place:
    """What stands at a place of a chain: items of a data type in chunks that are whole multiples of a unit."""

    data_type: Any
    unit: tuple[int, ...]
    only: bool
    """Whether chunks are of that one shape."""

    @property
    def name(self) -> str:
        return self.data_type if isinstance(self.data_type, str) else str(self.data_type["name"])

    @property
    def variable(self) -> bool:
        return self.name in ("string", "bytes")


def array_codec(draw: st.DrawFn, place: Place) -> dict[str, Any] | None:
    """Draw a codec that fits, and go on behind it; None for none."""
    kinds = ["transpose", "reshape"]
    if place.only and 1 in place.unit:
        kinds.append("zarrs.squeeze")
    if place.name in INTEGERS:
        kinds += ["numcodecs.delta", "numcodecs.astype", "cast_value", "scale_offset", "bitround"]
    if place.name == "bool":
        kinds.append("numcodecs.packbits")
    kind = draw(st.sampled_from(kinds))
    if kind == "transpose":
        order = list(draw(st.permutations(range(len(place.unit)))))
        place.unit = tuple(place.unit[axis] for axis in order)
        return named(kind, order=order)
    if kind == "reshape":
        return reshape(draw, place)
    if kind == "zarrs.squeeze":
        place.unit = tuple(length for length in place.unit if length != 1) or (1,)
        return named(kind)
    if kind == "numcodecs.packbits":
        if not math.prod(place.unit):
            return None
        place.data_type, place.unit, place.only = "uint8", (1,), False
        return named(kind)
    return number_codec(draw, kind, place)


def number_codec(draw: st.DrawFn, kind: str, place: Place) -> dict[str, Any]:
    native = np.dtype(place.name)
    wider = [name for name in INTEGERS if np.can_cast(native, name)]
    if kind == "numcodecs.delta":
        return named(kind, dtype=native.str)
    if kind == "bitround":
        return named(kind, keepbits=64)
    if kind == "scale_offset":
        return named(kind, offset=0, scale=1)
    place.data_type = draw(st.sampled_from(wider))
    if kind == "cast_value":
        return named(kind, data_type=place.data_type)
    return named(kind, encode_dtype=np.dtype(place.data_type).str, decode_dtype=native.str)


def reshape(draw: st.DrawFn, place: Place) -> dict[str, Any]:
    """Draw a reshape that joins neighbouring axes."""
    groups: list[list[int]] = []
    for axis in range(len(place.unit)):
        if groups and draw(st.booleans()):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    place.unit = tuple(math.prod(place.unit[axis] for axis in group) for group in groups)
    return named("reshape", shape=groups)


def serializer(draw: st.DrawFn, place: Place) -> dict[str, Any]:
    if place.variable:
        plain = "vlen-utf8" if place.name == "string" else "vlen-bytes"
        index = {"index_codecs": draw(compressors(4, start=[bytes_codec(draw)])), "index_location": "end"}
        width = draw(st.sampled_from(["uint32", "uint64"]))
        vlen = named("zarrs.vlen", data_codecs=["bytes"], index_data_type=width, **index)
        return draw(st.sampled_from([named(plain), named("zarrs.vlen_v2"), vlen]))
    kinds = ["bytes"] * 3
    if place.name in [*INTEGERS, *FLOATS, "bool", "bfloat16", *SMALL_BITS] or place.name.startswith("complex"):
        kinds.append("packbits")
    if place.name in [*INTEGERS, *FLOATS] and place.name not in ("int8", "uint8"):
        kinds.append("numcodecs.pcodec")
    if place.name in ("int32", "int64", "float32", "float64"):
        kinds += ["zfp", "numcodecs.zfpy"] if len(place.unit) in (1, 2, 3, 4) else []
    if place.name in [*INTEGERS, "float32", "float64"] and place.unit:
        kinds.append("n5_default")
    kind = draw(st.sampled_from(kinds))
    if kind == "packbits":
        return named(kind, padding_encoding=draw(st.sampled_from(["none", "first_byte", "last_byte"])))
    if kind == "n5_default":
        order = named("transpose", order=list(range(len(place.unit)))[::-1])
        return named(kind, codecs=[order, named("bytes", endian="big"), *draw(st.sampled_from([[], [GZIP]]))])
    return {
        "bytes": bytes_codec(draw),
        "numcodecs.pcodec": named("numcodecs.pcodec", level=1),
        "zfp": named("zfp", mode="reversible"),
        "numcodecs.zfpy": named("numcodecs.zfpy", mode=5),
    }[kind]


def bytes_codec(draw: st.DrawFn) -> dict[str, Any]:
    return named("bytes", endian=draw(st.sampled_from(["little", "big"])))


GZIP = named("gzip", level=1)


@st.composite
def compressors(draw: st.DrawFn, itemsize: int, start: list[Any] | None = None) -> list[Any]:
    shuffles = ["noshuffle", "shuffle", "bitshuffle"]
    blosc = {"clevel": 3, "blocksize": 0}
    pool: list[Any] = [
        *(GZIP, named("crc32c"), named("zstd", level=1, checksum=draw(st.booleans()))),
        named("blosc", cname="lz4", shuffle=draw(st.sampled_from(shuffles)), typesize=itemsize, **blosc),
        named("conditional", codecs=[GZIP], header_bits=8),
        named("numcodecs.blosc", cname="zstd", shuffle=draw(st.integers(0, 2)), **blosc),
        *(named(f"numcodecs.{name}") for name in ("adler32", "crc32", "crc32c", "jenkins_lookup3", "fletcher32")),
        *(named(f"numcodecs.{name}", level=1) for name in ("bz2", "gzip", "zlib", "zstd")),
        *(named("numcodecs.lz4", acceleration=1), named("numcodecs.lzma", preset=0)),
        named("numcodecs.shuffle", elementsize=1),
    ]
    return [*(start or []), *draw(st.lists(st.sampled_from(pool), max_size=2))]


def chain(draw: st.DrawFn, place: Place, depth: int = 0) -> list[Any]:
    """Draw codecs that keep every bit, sharded up to two levels deep."""
    codecs = [array_codec(draw, place) for _ in range(draw(st.integers(0, 2)))]
    codecs = [codec for codec in codecs if codec is not None]
    itemsize = 1 if place.variable else parse_dtype(place.data_type).to_native_dtype().itemsize
    if depth < 2 and place.unit and draw(st.integers(0, 2)) == 0:
        inner = tuple(draw(st.sampled_from([n for n in range(1, k + 1) if k % n == 0])) for k in place.unit)
        index = [bytes_codec(draw), *draw(st.sampled_from([[], [named("crc32c")]]))]
        location = draw(st.sampled_from(["start", "end"]))
        inside = chain(draw, Place(place.data_type, inner, True), depth + 1)
        codecs.append(
            named(
                "sharding_indexed", chunk_shape=list(inner), codecs=inside, index_codecs=index, index_location=location
            )
        )
    else:
        codecs.append(serializer(draw, place))
    return codecs + draw(compressors(itemsize))


# Grids


@dataclass
class Grid:
    """The chunks of an array: what is given for them, and where they begin and end along each axis."""

    chunks: list[int | list[int]]
    edges: list[list[int]]
    unit: tuple[int, ...]
    regular: bool


@st.composite
def grids(draw: st.DrawFn, shape: tuple[int, ...]) -> Grid:
    if draw(st.booleans()) or not shape:
        chunks = [draw(st.integers(1, max(length, 1) + 2)) for length in shape]
        edges = [[*range(0, length, n), length] for length, n in zip(shape, chunks, strict=True)]
        return Grid(list(chunks), edges, tuple(chunks), True)
    found = Grid([], [], (), False)
    for length in shape:
        unit = draw(st.integers(1, 2))
        lengths = [unit * n for n in draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))]
        lengths += [unit * 3] * -(-max(length - sum(lengths), 0) // (unit * 3))
        found.chunks.append(lengths)
        ends = [0, *np.cumsum(lengths).tolist()]
        found.edges.append([*[end for end in ends if end < length], length])
        found.unit += (unit,)
    return found


# Selections: how they are asked for, and the same for NumPy, with the shape of the result


@dataclass
class Selection:
    """A selection of a kind, what picks the same from a NumPy array, and the shape of what is picked."""

    kind: str
    ours: Any
    numpy: Any
    shape: tuple[int, ...]


def picked(model: np.ndarray, selection: Selection) -> np.ndarray:
    """What a selection is of a NumPy array: an array too where it is a single item."""
    found = np.empty(selection.shape, model.dtype)
    found[...] = model[selection.numpy] if not selection.shape else model[selection.numpy].reshape(selection.shape)
    return found


def slices(length: int) -> st.SearchStrategy[Any]:
    place = st.one_of(st.none(), st.integers(-length - 2, length + 2))
    return st.builds(slice, place, place, st.one_of(st.none(), st.integers(1, length + 2)))


@st.composite
def selections(draw: st.DrawFn, model: np.ndarray, edges: list[list[int]]) -> Selection:
    kinds = ["basic"]
    if model.ndim:
        kinds.append("orthogonal")
        if model.size:
            kinds += ["block", "coordinate", "mask"]
    kind = draw(st.sampled_from(kinds))
    if kind == "orthogonal":
        return draw(orthogonal(model.shape))
    if kind == "block":
        return draw(blocks(edges))
    if kind == "mask":
        mask = draw(npst.arrays(bool, model.shape))
        return Selection(kind, mask, mask, (int(mask.sum()),))
    if kind == "coordinate":
        return draw(coordinates(model.shape))
    parts = [draw(st.one_of(slices(n), st.integers(-n, n - 1)) if n else slices(n)) for n in model.shape]
    if draw(st.booleans()):
        start = draw(st.integers(0, len(parts)))
        parts[start : draw(st.integers(start, len(parts)))] = [...]
    picked = tuple(parts)
    return Selection(kind, picked, picked, np.empty(model.shape, "b1")[picked].shape)


@st.composite
def orthogonal(draw: st.DrawFn, shape: tuple[int, ...]) -> Selection:
    parts: list[Any] = []
    for length in shape:
        some = [slices(length), npst.arrays(bool, length)]
        if length:
            place = st.integers(-length, length - 1)
            listed = st.lists(place, min_size=1, max_size=9)
            some += [place, listed, listed.map(np.array), st.just(np.zeros(0, "i8"))]
        parts.append(draw(st.one_of(some)))
    pairs = list(zip(shape, parts, strict=True))
    picked = [np.arange(n)[np.asarray(part, "i8") if isinstance(part, list) else part] for n, part in pairs]
    kept = tuple(len(axis) for axis in picked if np.ndim(axis))
    return Selection("orthogonal", tuple(parts), np.ix_(*map(np.atleast_1d, picked)), kept)


@st.composite
def coordinates(draw: st.DrawFn, shape: tuple[int, ...]) -> Selection:
    shapes = draw(npst.mutually_broadcastable_shapes(num_shapes=len(shape), min_dims=1, max_dims=2, max_side=4))
    index = tuple(
        draw(npst.arrays(np.intp, own, elements=st.integers(-length, length - 1)))
        for own, length in zip(shapes.input_shapes, shape, strict=True)
    )
    return Selection("coordinate", index, index, shapes.result_shape)


@st.composite
def blocks(draw: st.DrawFn, edges: list[list[int]]) -> Selection:
    ours, region = [], []
    for ends in edges:
        # A slice of blocks begins at one that is there, as in zarr-python.
        count = len(ends) - 1
        if draw(st.booleans()):
            at = draw(st.integers(0, count - 1))
            ours.append(draw(st.sampled_from([at, at - count])))
            region.append(slice(ends[at], ends[at + 1]))
        else:
            first = draw(st.integers(0, count - 1))
            last = draw(st.integers(first, count))
            ours.append(slice(first, last))
            region.append(slice(ends[first], ends[last]))
    return Selection("block", tuple(ours), tuple(region), tuple(part.stop - part.start for part in region))
