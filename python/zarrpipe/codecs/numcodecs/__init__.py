"""The codecs named `numcodecs.*`: the classes of `zarr.codecs.numcodecs`, built in.

Each takes what `get_config` of the codec in numcodecs gives; a configuration may be absent from documents.
"""

from zarrpipe.codecs.numcodecs.adler32 import Adler32
from zarrpipe.codecs.numcodecs.astype import AsType
from zarrpipe.codecs.numcodecs.bitround import BitRound
from zarrpipe.codecs.numcodecs.blosc import Blosc
from zarrpipe.codecs.numcodecs.bz2 import BZ2
from zarrpipe.codecs.numcodecs.crc32 import CRC32
from zarrpipe.codecs.numcodecs.crc32c import CRC32C
from zarrpipe.codecs.numcodecs.delta import Delta
from zarrpipe.codecs.numcodecs.fixedscaleoffset import FixedScaleOffset
from zarrpipe.codecs.numcodecs.fletcher32 import Fletcher32
from zarrpipe.codecs.numcodecs.gzip import GZip
from zarrpipe.codecs.numcodecs.jenkins_lookup3 import JenkinsLookup3
from zarrpipe.codecs.numcodecs.lz4 import LZ4
from zarrpipe.codecs.numcodecs.lzma import LZMA
from zarrpipe.codecs.numcodecs.objects import JSON2, MsgPack2
from zarrpipe.codecs.numcodecs.packbits import PackBits
from zarrpipe.codecs.numcodecs.pcodec import PCodec
from zarrpipe.codecs.numcodecs.quantize import Quantize
from zarrpipe.codecs.numcodecs.shuffle import Shuffle
from zarrpipe.codecs.numcodecs.zfpy import ZFPY
from zarrpipe.codecs.numcodecs.zlib import Zlib
from zarrpipe.codecs.numcodecs.zstd import Zstd

__all__ = [
    "BZ2",
    "CRC32",
    "CRC32C",
    "JSON2",
    "LZ4",
    "LZMA",
    "ZFPY",
    "Adler32",
    "AsType",
    "BitRound",
    "Blosc",
    "Delta",
    "FixedScaleOffset",
    "Fletcher32",
    "GZip",
    "JenkinsLookup3",
    "MsgPack2",
    "PCodec",
    "PackBits",
    "Quantize",
    "Shuffle",
    "Zlib",
    "Zstd",
]
