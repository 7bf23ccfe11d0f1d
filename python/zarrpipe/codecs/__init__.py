"""Codecs: the registry, and one module for each that is built in (its configuration; the work is done in Rust)."""

from zarrpipe.codecs.bitround import BitRoundCodec
from zarrpipe.codecs.blosc import BloscCodec
from zarrpipe.codecs.buffer_codec import get_codec
from zarrpipe.codecs.bytes import BytesCodec
from zarrpipe.codecs.cast_value import CastValue
from zarrpipe.codecs.chain import codec_documents, compile_chain, evolve_codecs, parse_codec, parse_codecs
from zarrpipe.codecs.chain_v2 import chain_v2, codec_from_numcodecs_config, to_numcodecs_config
from zarrpipe.codecs.conditional import ConditionalCodec
from zarrpipe.codecs.crc32c import Crc32cCodec
from zarrpipe.codecs.gzip import GzipCodec
from zarrpipe.codecs.n5_default import N5DefaultCodec
from zarrpipe.codecs.packbits import PackBitsCodec
from zarrpipe.codecs.registry import get_codec_class, register_codec, unregister_codec
from zarrpipe.codecs.reshape import ReshapeCodec, SqueezeCodec
from zarrpipe.codecs.scale_offset import ScaleOffset
from zarrpipe.codecs.sharding_indexed import ShardingCodec
from zarrpipe.codecs.transpose import TransposeCodec
from zarrpipe.codecs.vlen import VLenBytesCodec, VLenUTF8Codec
from zarrpipe.codecs.zarrs_vlen import VLenCodec, VLenV2Codec
from zarrpipe.codecs.zfp import ZfpCodec
from zarrpipe.codecs.zstd import ZstdCodec

__all__ = [
    "BitRoundCodec",
    "BloscCodec",
    "BytesCodec",
    "CastValue",
    "ConditionalCodec",
    "Crc32cCodec",
    "GzipCodec",
    "N5DefaultCodec",
    "PackBitsCodec",
    "ReshapeCodec",
    "ScaleOffset",
    "ShardingCodec",
    "SqueezeCodec",
    "TransposeCodec",
    "VLenBytesCodec",
    "VLenCodec",
    "VLenUTF8Codec",
    "VLenV2Codec",
    "ZfpCodec",
    "ZstdCodec",
    "chain_v2",
    "codec_documents",
    "codec_from_numcodecs_config",
    "compile_chain",
    "evolve_codecs",
    "get_codec",
    "get_codec_class",
    "parse_codec",
    "parse_codecs",
    "register_codec",
    "to_numcodecs_config",
    "unregister_codec",
]
