"""Arrays as zarr-python 2.18 with numcodecs 0.13 writes them, format 2 and N5: ``python zarr2.py zarr2.zip``.

Needs CPython 3.11, ``zarr==2.18.3 numcodecs==0.13.1 msgpack fsspec numpy<2.1``: zarr-python 2 and 3 cannot be installed
together.
"""

import sys
import warnings

import numcodecs
import numpy as np
import zarr
from write import write_zip

warnings.simplefilter("ignore")

RAMP = np.arange(35).reshape(7, 5)
TEXT = np.array(["a", "", "zürich", "日本", "x" * 40, "end"], dtype=object)
BLOBS = np.array([b"a", b"", b"\x00\xff", b"x" * 40, b"12", b"end"], dtype=object)
OBJECTS = np.empty(6, dtype=object)
OBJECTS[:] = [{"a": 1}, [1, "two", None], "text", 3.5, None, True]
RAGGED = np.empty(6, dtype=object)
RAGGED[:] = [np.arange(n, dtype="<i4") for n in (0, 1, 2, 3, 10, 1)]
NESTED = np.dtype(
    [("id", "<u2"), ("at", [("x", "<f4"), ("y", ">f8")]), ("rgb", "|u1", (3,)), ("name", "S4"), ("t", "<M8[s]")]
)


def structured() -> np.ndarray:
    items = np.zeros(6, dtype=NESTED)
    items["id"] = range(6)
    items["at"]["x"] = np.linspace(0, 1, 6)
    items["at"]["y"] = np.linspace(-1, 1, 6)
    items["rgb"] = np.arange(18).reshape(6, 3)
    items["name"] = [b"a", b"bc", b"def", b"ghij", b"", b"k"]
    items["t"] = np.arange(6).astype("<M8[s]")
    return items


def make(root: str) -> dict:  # noqa: C901 - a list of cases
    group = zarr.open_group(root, mode="w")
    group.attrs["title"] = "made by zarr-python 2"
    made = {}

    def add(path: str, values, *, expect=None, **options) -> None:
        options = {"chunks": tuple(max(1, n // 2 + 1) for n in values.shape), "compressor": None, **options}
        array = group.create_dataset(path, shape=values.shape, dtype=options.pop("dtype", values.dtype), **options)
        array[...] = values
        made[path] = values if expect is None else expect

    # Every data type, both byte orders.
    for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
        for order in "<>":
            add(f"dtype/{'le' if order == '<' else 'be'}_{kind}", RAMP.astype(order + kind))
    for kind in ("c8", "c16"):
        for order in "<>":
            add(f"dtype/{'le' if order == '<' else 'be'}_{kind}", (RAMP + 1j * RAMP[::-1]).astype(order + kind))
    add("dtype/bool", RAMP % 3 == 0)
    add("dtype/S", np.array([[b"ab", b"", b"xyz"], [b"q", b"\xff", b"nul"]], dtype="S3"))
    for order in "<>":
        name = "le" if order == "<" else "be"
        add(f"dtype/{name}_U", np.array([["ab", "", "äö\U0001f600"], ["q", "r", "s"]], dtype=f"{order}U3"))
        for unit in ("D", "ns", "25s"):
            add(f"dtype/{name}_M8_{unit}", np.arange(6).astype(f"{order}M8[{unit}]"))
            add(f"dtype/{name}_m8_{unit}", np.arange(-3, 3).astype(f"{order}m8[{unit}]"))
    add("dtype/V4", np.arange(6, dtype="<u4").view("V4"))
    add("dtype/struct", structured())

    # Fill values, the items of which were never written.
    for name, dtype, fill in [
        ("nan", "<f4", np.nan),
        ("inf", ">f8", np.inf),
        ("minus_inf", "<f2", -np.inf),
        ("int", "<i2", -5),
        ("none", "<i4", None),
        ("bool", "|b1", True),
        ("S", "S3", b"ab"),
        ("U", "<U3", "äb"),
        ("time", "<M8[ns]", np.datetime64("NaT")),
        ("complex", "<c16", 1 + 2j),
        ("float_of_int", "<f8", 7),
    ]:
        array = group.create_dataset(
            f"fill/{name}", shape=(4,), chunks=(2,), dtype=dtype, fill_value=fill, compressor=None
        )
        array[:1] = np.zeros(1, dtype=dtype)
        made[f"fill/{name}"] = array[...]
    array = group.create_dataset(
        "fill/struct", shape=(4,), chunks=(2,), dtype=NESTED, fill_value=structured()[3], compressor=None
    )
    array[:1] = structured()[:1]
    made["fill/struct"] = array[...]

    # Layout.
    add("layout/F", RAMP.astype("<i4"), order="F")
    add("layout/F_struct", np.tile(structured(), (2, 1)), order="F")
    add("layout/F_be_blosc", RAMP.astype(">i4"), order="F", compressor=numcodecs.Blosc(cname="lz4", shuffle=2))
    add("layout/slash", RAMP.astype("<i4"), dimension_separator="/")
    add("layout/dot", RAMP.astype("<i4"), dimension_separator=".")
    add("layout/scalar", np.array(42, dtype="<i8"), chunks=())
    add("layout/one_chunk", RAMP.astype("<i4"), chunks=RAMP.shape)
    add("layout/empty_axis", np.zeros((0, 3), dtype="<i4"), chunks=(1, 2))
    add("layout/four", np.arange(120, dtype="<u2").reshape(2, 3, 4, 5), order="F", chunks=(1, 2, 3, 4))

    # Compressors.
    for compressor in (
        numcodecs.Zlib(1),
        numcodecs.GZip(9),
        numcodecs.BZ2(3),
        numcodecs.LZMA(),
        numcodecs.LZMA(format=1, check=4, preset=2),
        numcodecs.LZ4(),
        numcodecs.LZ4(acceleration=9),
        numcodecs.Zstd(3),
        numcodecs.Zstd(1, checksum=True),
        *(
            numcodecs.Blosc(cname=c, clevel=5, shuffle=s)
            for c in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
            for s in (-1, 0, 1, 2)
        ),
    ):
        name = "_".join(str(value) for value in compressor.get_config().values())
        add(f"compressor/{name}".replace("None", "x"), RAMP.astype("<i4"), compressor=compressor)
    add("compressor/Zlib_be_F", RAMP.astype(">f8"), compressor=numcodecs.Zlib(1), order="F")

    # Filters.
    floats = (RAMP / 7).astype("<f8")
    for name, values, filters in [
        ("delta", RAMP.astype("<i4"), [numcodecs.Delta(dtype="<i4")]),
        ("delta_astype", RAMP.astype("<i8"), [numcodecs.Delta(dtype="<i8", astype="<i2")]),
        ("delta_be", RAMP.astype(">i4"), [numcodecs.Delta(dtype=">i4", astype=">i2")]),
        ("delta_float", floats, [numcodecs.Delta(dtype="<f8", astype="<f4")]),
        ("fixedscaleoffset", floats, [numcodecs.FixedScaleOffset(offset=2, scale=50, dtype="<f8", astype="<i2")]),
        ("fixedscaleoffset_u1", floats, [numcodecs.FixedScaleOffset(offset=0, scale=10, dtype="<f8", astype="|u1")]),
        ("quantize", floats, [numcodecs.Quantize(digits=2, dtype="<f8")]),
        ("quantize_astype", floats, [numcodecs.Quantize(digits=1, dtype="<f8", astype="<f4")]),
        ("astype", floats, [numcodecs.AsType(encode_dtype="<f4", decode_dtype="<f8")]),
        ("astype_be", RAMP.astype(">i8"), [numcodecs.AsType(encode_dtype=">i2", decode_dtype=">i8")]),
        ("bitround", floats.astype("<f4"), [numcodecs.BitRound(keepbits=5)]),
        ("packbits", RAMP % 3 == 0, [numcodecs.PackBits()]),
        ("shuffle", RAMP.astype("<i4"), [numcodecs.Shuffle(4)]),
        ("crc32", RAMP.astype("<i4"), [numcodecs.CRC32()]),
        ("adler32", RAMP.astype("<i4"), [numcodecs.Adler32()]),
        ("fletcher32", RAMP.astype("<i4"), [numcodecs.Fletcher32()]),
        ("jenkins", RAMP.astype("<i4"), [numcodecs.JenkinsLookup3()]),
        ("delta_shuffle_crc", RAMP.astype("<i4"), [numcodecs.Delta("<i4"), numcodecs.Shuffle(4), numcodecs.CRC32()]),
        ("shuffle_zlib_filter", RAMP.astype("<i4"), [numcodecs.Shuffle(4), numcodecs.Zlib(2)]),
        ("scale_delta", floats, [numcodecs.FixedScaleOffset(0, 100, "<f8", "<i4"), numcodecs.Delta("<i4", "<i2")]),
        ("base64", RAMP.astype("<i4"), [numcodecs.Base64()]),
    ]:
        for order in "CF":
            add(f"filter/{name}_{order}", values, filters=filters, compressor=numcodecs.Zstd(1), order=order)
            made[f"filter/{name}_{order}"] = group[f"filter/{name}_{order}"][...]

    # Objects.
    for name, values, codec in [
        ("vlen_utf8", TEXT, numcodecs.VLenUTF8()),
        ("vlen_bytes", BLOBS, numcodecs.VLenBytes()),
        ("vlen_array", RAGGED, numcodecs.VLenArray("<i4")),
        ("json2", OBJECTS, numcodecs.JSON()),
        ("msgpack2", OBJECTS, numcodecs.MsgPack()),
        ("json2_text", TEXT, numcodecs.JSON()),
        (
            "categorize",
            np.array(["a", "b", "a", "c", "", "b"], dtype=object),
            numcodecs.Categorize(["a", "b", "c"], dtype=object),
        ),
        ("pickle", OBJECTS, numcodecs.Pickle()),
    ]:
        add(f"object/{name}", values, dtype=object, object_codec=codec, compressor=numcodecs.Zstd(1))
    for name, values in (("vlen_utf8_2d", TEXT.reshape(2, 3)), ("vlen_utf8_F", TEXT.reshape(2, 3))):
        add(
            f"object/{name}",
            values,
            dtype=object,
            object_codec=numcodecs.VLenUTF8(),
            order=name[-1] if name[-1] == "F" else "C",
        )
    return made


def make_n5(root: str) -> dict:
    group = zarr.open_group(zarr.N5FSStore(root), mode="w")
    group.attrs["title"] = "made by zarr-python 2"
    made = {}
    for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"):
        made[f"dtype/{kind}"] = RAMP.astype(kind)
    for name, values in made.items():
        array = group.create_dataset(name, shape=RAMP.shape, chunks=(4, 3), dtype=values.dtype, compressor=None)
        array[...] = values
    for compressor in (
        numcodecs.GZip(5),
        numcodecs.BZ2(1),
        numcodecs.LZMA(),
        numcodecs.Blosc("lz4"),
        numcodecs.Zstd(1),
    ):
        name = f"compressor/{compressor.codec_id}"
        array = group.create_dataset(name, shape=RAMP.shape, chunks=(4, 3), dtype="i4", compressor=compressor)
        array[...] = made[name] = RAMP.astype("i4")
    group["dtype/i4"].attrs["units"] = "m"
    return made


if __name__ == "__main__":
    write_zip(sys.argv[1], {"zarr2": make, "n5": make_n5})
