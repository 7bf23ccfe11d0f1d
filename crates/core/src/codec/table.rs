//! The table from a codec's name to its constructor.

use serde_json::Value;

use super::{
    Document, Resolve, Stage, adler32, astype, bitround, blosc, bytes, bz2, cast_value, conditional, crc32, crc32c,
    delta, fixedscaleoffset, fletcher32, gzip, jenkins_lookup3, lz4, lzma, n5_default, n5_lz4, numcodecs_packbits,
    packbits, pcodec, quantize, reshape, scale_offset, sharding_indexed, shuffle, squeeze, transpose, vlen, zarrs_vlen,
    zlib, zstd,
};
use crate::error::{Error, Result};
use crate::spec::ChunkSpec;

/// The table of built-in codecs: the stage that `json` describes, for chunks of `spec`; what is not built in is
/// asked of `resolve`. `depth` counts the chains around this one.
pub fn compile(json: &Value, spec: &ChunkSpec, depth: usize, resolve: Resolve<'_>) -> Result<Stage> {
    let document = Document::parse(json)?;
    let stage = match document.name {
        "bytes" | "endian" => bytes::compile(&document, spec),
        "bitround" | "numcodecs.bitround" => bitround::compile(&document, spec),
        "cast_value" => cast_value::compile(&document, spec),
        "numcodecs.astype" => astype::compile(&document, spec),
        "numcodecs.delta" => delta::compile(&document, spec),
        "numcodecs.fixedscaleoffset" => fixedscaleoffset::compile(&document, spec),
        "numcodecs.quantize" => quantize::compile(&document, spec),
        "scale_offset" => scale_offset::compile(&document, spec),
        "transpose" => transpose::compile(&document, spec),
        "reshape" => reshape::compile(&document, spec),
        "zarrs.squeeze" => squeeze::compile(&document, spec),
        "numcodecs.packbits" => numcodecs_packbits::compile(&document, spec),
        "packbits" => packbits::compile(&document, spec),
        "numcodecs.pcodec" | "pcodec" => pcodec::compile(&document, spec),
        "n5_default" => n5_default::compile(&document, spec, depth, resolve),
        "sharding_indexed" => sharding_indexed::compile(&document, spec, depth, resolve),
        "blosc" => blosc::compile(&document, spec),
        "gzip" => gzip::compile(&document, spec),
        "zstd" => zstd::compile(&document, spec),
        "crc32c" => crc32c::compile(&document, spec),
        "conditional" => conditional::compile(&document, spec, depth, resolve),
        "n5_lz4" => n5_lz4::compile(&document, spec),
        "numcodecs.adler32" => adler32::compile(&document, spec),
        "numcodecs.blosc" => blosc::compile_numcodecs(&document, spec),
        "numcodecs.bz2" => bz2::compile(&document, spec),
        "numcodecs.crc32" => crc32::compile(&document, spec),
        "numcodecs.crc32c" => crc32c::compile_numcodecs(&document, spec),
        "numcodecs.fletcher32" => fletcher32::compile(&document, spec),
        "numcodecs.gzip" => gzip::compile_numcodecs(&document, spec),
        "numcodecs.jenkins_lookup3" => jenkins_lookup3::compile(&document, spec),
        "numcodecs.lz4" => lz4::compile(&document, spec),
        "numcodecs.lzma" => lzma::compile(&document, spec),
        "numcodecs.shuffle" => shuffle::compile(&document, spec),
        "numcodecs.zlib" => zlib::compile(&document, spec),
        "numcodecs.zstd" => zstd::compile_numcodecs(&document, spec),
        "gdeflate" | "zarrs.gdeflate" => Err(Error::unsupported(
            "GDeflate has no maintained library for the CPU; store the chunks anew with zarrs, with another codec",
        )),
        "zarrs.vlen" => zarrs_vlen::compile(&document, spec, depth),
        "vlen-utf8" | "vlen-bytes" | "vlen-array" | "zarrs.vlen_v2" => vlen::compile(&document, spec),
        _ => resolve(json, spec),
    };
    stage
        .and_then(|stage| check_variable(stage, spec))
        .map_err(|error| error.in_codec(document.name, 0))
}

/// Refuses items of variable length for codecs that were not made for them.
fn check_variable(stage: Stage, spec: &ChunkSpec) -> Result<Stage> {
    let takes_items = !matches!(stage, Stage::BytesBytes(_));
    if spec.layout.variable().is_none() || !takes_items || stage.codec().takes_variable() {
        return Ok(stage);
    }
    Err(Error::metadata(format!(
        "{} needs a data type of fixed size, and this one is {:?}; use vlen-utf8 or vlen-bytes",
        stage.codec().name(),
        spec.layout.kind.name()
    )))
}

/// The names of the table.
pub const BUILT_IN: &[&str] = &[
    "transpose",
    "reshape",
    "zarrs.squeeze",
    "numcodecs.packbits",
    "bytes",
    "endian",
    "packbits",
    "numcodecs.pcodec",
    "pcodec",
    "n5_default",
    "bitround",
    "cast_value",
    "numcodecs.astype",
    "numcodecs.bitround",
    "numcodecs.delta",
    "numcodecs.fixedscaleoffset",
    "numcodecs.quantize",
    "scale_offset",
    "sharding_indexed",
    "blosc",
    "gzip",
    "zstd",
    "crc32c",
    "conditional",
    "n5_lz4",
    "numcodecs.adler32",
    "numcodecs.blosc",
    "numcodecs.bz2",
    "numcodecs.crc32",
    "numcodecs.crc32c",
    "numcodecs.fletcher32",
    "numcodecs.gzip",
    "numcodecs.jenkins_lookup3",
    "numcodecs.lz4",
    "numcodecs.lzma",
    "numcodecs.shuffle",
    "numcodecs.zlib",
    "numcodecs.zstd",
    "vlen-utf8",
    "vlen-bytes",
    "vlen-array",
    "zarrs.vlen",
    "zarrs.vlen_v2",
];
