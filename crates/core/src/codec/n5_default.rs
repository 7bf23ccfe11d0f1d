//! `n5_default`: the blocks of N5 in their default mode, each with a header that says its shape.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/n5_default>
//!
//! Names: `n5_default`.
//!
//! ```json
//! {"name": "n5_default", "configuration": {"codecs": [
//!     {"name": "transpose", "configuration": {"order": [1, 0]}},
//!     {"name": "bytes", "configuration": {"endian": "big"}},
//!     {"name": "gzip", "configuration": {"level": 5}}]}}
//! ```
//!
//! The header is big-endian: the mode (u16, 0), the number of axes (u16) and their lengths (u32 each). Blocks at the
//! border of an array may be stored without what is beyond it; a block that is smaller than the chunk is padded with the
//! fill value, and one that is larger is cut. Whole chunks are written.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ArrayBytesCodec, BytesBytesCodec, Codec, Document, Expect, Resolve, Stage, bytes, transpose};
use crate::dtype::{Kind, Scalar};
use crate::error::{Error, Result};
use crate::limits::{checked_product, in_memory};
use crate::scratch::{self, Bytes, Scratch};
use crate::spec::{ChunkSpec, c_strides};

/// How many times the chunk's size a block may say that it has.
const MAX_OVERSIZE: u64 = 16;

struct N5Default {
    spec: ChunkSpec,
    transpose: Value,
    bytes: Value,
    compressor: Option<Arc<dyn BytesBytesCodec>>,
    whole: Inner,
}

/// The array-to-array and array-to-bytes codecs inside, for blocks of one shape.
struct Inner {
    transpose: Stage,
    bytes: Stage,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec, depth: usize, resolve: Resolve<'_>) -> Result<Stage> {
    document.only(&["codecs"])?;
    let codecs = document
        .get("codecs")
        .and_then(Value::as_array)
        .ok_or_else(|| document.invalid("codecs", "a list of codecs"))?;
    check_spec(spec)?;
    let (transpose, bytes, compressor) = match codecs.as_slice() {
        [transpose, bytes] => (transpose, bytes, None),
        [transpose, bytes, compressor] => (transpose, bytes, Some(compressor)),
        _ => return Err(document.invalid("codecs", "transpose, bytes, and at most one bytes-to-bytes codec")),
    };
    let place = |position: usize| move |error: Error| error.under(&format!("/configuration/codecs/{position}"));
    check_transpose(transpose, spec.rank()).map_err(place(0))?;
    check_bytes(bytes).map_err(place(1))?;
    let whole = Inner::compile(transpose, bytes, spec)?;
    let compressor = match compressor {
        None => None,
        Some(json) => Some(compile_compressor(json, spec, depth, resolve).map_err(place(2))?),
    };
    Ok(Stage::ArrayBytes(Arc::new(N5Default {
        spec: spec.clone(),
        transpose: transpose.clone(),
        bytes: bytes.clone(),
        compressor,
        whole,
    })))
}

/// N5 has integers of 8 to 64 bits and floats of 32 and 64, and headers of 16 and 32 bits.
fn check_spec(spec: &ChunkSpec) -> Result<()> {
    let known = match spec.layout.kind {
        Kind::Real(Scalar::Float32 | Scalar::Float64) => true,
        Kind::Real(scalar) => scalar.is_int() && scalar.bits() >= 8,
        _ => false,
    };
    if !known {
        return Err(Error::metadata(format!(
            "N5 has integers, float32 and float64, not {}",
            spec.layout.kind.name()
        )));
    }
    if spec.shape.iter().any(|&length| length > u64::from(u32::MAX)) {
        return Err(Error::metadata("the axes of a block of N5 have less than 2^32 items"));
    }
    Ok(())
}

fn check_transpose(json: &Value, rank: usize) -> Result<()> {
    let reversed: Vec<usize> = (0..rank).rev().collect();
    let document = Document::parse(json)?;
    if document.name == "transpose" && document.get("order") == Some(&json!(reversed)) {
        return Ok(());
    }
    Err(Error::metadata(format!(
        "the first codec must be a transpose of order {reversed:?}, not {json}"
    )))
}

fn check_bytes(json: &Value) -> Result<()> {
    let document = Document::parse(json)?;
    if document.name == "bytes" && document.get("endian").is_none_or(|endian| endian == "big") {
        return Ok(());
    }
    Err(Error::metadata(format!(
        "the second codec must be bytes in big-endian order, not {json}"
    )))
}

fn compile_compressor(
    json: &Value,
    spec: &ChunkSpec,
    depth: usize,
    resolve: Resolve<'_>,
) -> Result<Arc<dyn BytesBytesCodec>> {
    match super::compile(json, spec, depth + 1, resolve)? {
        Stage::BytesBytes(codec) if codec.suspends() => Err(Error::unsupported(
            "a codec inside n5_default cannot be one that must be awaited",
        )),
        Stage::BytesBytes(codec) => Ok(codec),
        other => Err(Error::metadata(format!(
            "the third codec must be a bytes-to-bytes codec, not {} ({})",
            other.codec().name(),
            other.kind()
        ))),
    }
}

impl Inner {
    fn compile(transpose_json: &Value, bytes_json: &Value, spec: &ChunkSpec) -> Result<Self> {
        let place = |position: usize| move |error: Error| error.under(&format!("/configuration/codecs/{position}"));
        let transpose = transpose::compile(&Document::parse(transpose_json)?, spec).map_err(place(0))?;
        let behind = match &transpose {
            Stage::ArrayArray(codec) => codec.encoded_spec(),
            _ => spec,
        };
        let bytes = bytes::compile(&Document::parse(bytes_json)?, behind).map_err(place(1))?;
        Ok(Inner { transpose, bytes })
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        match (&self.transpose, &self.bytes) {
            (Stage::ArrayArray(transpose), Stage::ArrayBytes(bytes)) => bytes.encode(transpose.encode(items)?),
            _ => Err(Error::internal("codecs of other kinds")),
        }
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        match (&self.transpose, &self.bytes) {
            (Stage::ArrayArray(transpose), Stage::ArrayBytes(bytes)) => transpose.decode(bytes.decode(data)?),
            _ => Err(Error::internal("codecs of other kinds")),
        }
    }
}

impl N5Default {
    fn header_nbytes(&self) -> usize {
        4 + 4 * self.spec.rank()
    }

    fn header(&self) -> Vec<u8> {
        let mut header = vec![0, 0];
        header.extend_from_slice(&(self.spec.rank() as u16).to_be_bytes());
        for &length in &self.spec.shape {
            header.extend_from_slice(&(length as u32).to_be_bytes());
        }
        header
    }

    /// The shape of the block that `data` starts with the header of.
    fn parse_header(&self, data: &[u8]) -> Result<Vec<u64>> {
        let cut_short = || Error::truncated("the header of the N5 block is cut short");
        let (&[m0, m1, n0, n1], lengths) = data.split_first_chunk::<4>().ok_or_else(cut_short)?;
        match u16::from_be_bytes([m0, m1]) {
            0 => {}
            1 => return Err(Error::unsupported("N5 blocks of mode 1 (varlength) are not supported")),
            2 => return Err(Error::unsupported("N5 blocks of mode 2 (object) are not supported")),
            mode => return Err(Error::corrupt(format!("N5 has no blocks of mode {mode}"))),
        }
        let rank = usize::from(u16::from_be_bytes([n0, n1]));
        if rank != self.spec.rank() {
            return Err(Error::corrupt(format!(
                "the N5 block has {rank} axes where the array has {}",
                self.spec.rank()
            )));
        }
        let lengths = lengths.get(..4 * rank).ok_or_else(cut_short)?.as_chunks::<4>().0;
        Ok(lengths
            .iter()
            .map(|&length| u64::from(u32::from_be_bytes(length)))
            .collect())
    }

    /// What a block of this shape is, if its size can be believed.
    fn block_spec(&self, shape: Vec<u64>) -> Result<ChunkSpec> {
        let limit = self.spec.nbytes().saturating_mul(MAX_OVERSIZE);
        let nbytes = checked_product(self.spec.layout.item_nbytes as u64, &shape);
        if nbytes.is_ok_and(|nbytes| nbytes <= limit) {
            return ChunkSpec::new(shape, self.spec.layout.clone(), &self.spec.fill_value);
        }
        Err(Error::size(format!(
            "an N5 block of shape {shape:?} where chunks have {:?}",
            self.spec.shape
        )))
    }

    /// The bytes of the items of a block of `nbytes`.
    fn decompress<'a>(&self, data: Bytes<'a>, nbytes: usize) -> Result<Bytes<'a>> {
        let exactly = Expect::Exactly(nbytes);
        let data = match &self.compressor {
            None => data,
            // A block that is larger than the chunk is only believed as it comes out.
            Some(codec) if nbytes as u64 > self.spec.nbytes() => codec.decode(data, Expect::AtMost(nbytes))?,
            Some(codec) => codec.decode(data, exactly)?,
        };
        exactly.check(data.len()).map(|()| data)
    }

    /// The chunk that has the items of a block of another shape at its start.
    fn fit(&self, items: &[u8], block: &ChunkSpec) -> Result<Scratch> {
        let item_nbytes = self.spec.layout.item_nbytes;
        let mut chunk = scratch::take(in_memory(self.spec.nbytes())?)?;
        if block.shape.iter().zip(&self.spec.shape).any(|(have, want)| have < want) {
            for item in chunk.chunks_exact_mut(item_nbytes) {
                item.copy_from_slice(&self.spec.fill_value);
            }
        }
        let common: Vec<u64> = block
            .shape
            .iter()
            .zip(&self.spec.shape)
            .map(|(a, b)| *a.min(b))
            .collect();
        let Some((&row, outer)) = common.split_last() else {
            chunk.copy_from_slice(items);
            return Ok(chunk);
        };
        let strides = [
            c_strides(&block.shape, item_nbytes),
            c_strides(&self.spec.shape, item_nbytes),
        ];
        let row_nbytes = row as usize * item_nbytes;
        let rows = if row == 0 { 0 } else { outer.iter().product::<u64>() };
        for number in 0..rows {
            let [from, to] = strides.each_ref().map(|strides| row_offset(number, outer, strides));
            chunk[to..to + row_nbytes].copy_from_slice(&items[from..from + row_nbytes]);
        }
        Ok(chunk)
    }
}

/// Where the row `number` of those over `outer` begins.
fn row_offset(number: u64, outer: &[u64], strides: &[isize]) -> usize {
    let (mut rest, mut offset) = (number, 0);
    for (&length, &stride) in outer.iter().zip(strides).rev() {
        offset += (rest % length) as usize * stride as usize;
        rest /= length;
    }
    offset
}

impl Codec for N5Default {
    fn name(&self) -> &str {
        "n5_default"
    }

    fn to_json(&self) -> Value {
        let stages = [&self.whole.transpose, &self.whole.bytes];
        let codecs = stages.into_iter().map(|stage| stage.codec().to_json());
        let codecs: Vec<Value> = codecs
            .chain(self.compressor.iter().map(|codec| codec.to_json()))
            .collect();
        json!({"name": "n5_default", "configuration": {"codecs": codecs}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayBytesCodec for N5Default {
    fn encoded_nbytes(&self) -> Option<u64> {
        None
    }

    fn max_encoded_nbytes(&self) -> u64 {
        let nbytes = self.spec.nbytes().saturating_mul(MAX_OVERSIZE);
        let data = self
            .compressor
            .as_ref()
            .map_or(nbytes, |codec| codec.max_encoded_nbytes(nbytes));
        data.saturating_add(self.header_nbytes() as u64)
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        let mut data = self.whole.encode(items)?;
        if let Some(codec) = &self.compressor {
            data = codec.encode(data)?;
        }
        let header = self.header();
        let mut block = scratch::take(header.len() + data.len())?;
        block[..header.len()].copy_from_slice(&header);
        block[header.len()..].copy_from_slice(&data);
        Ok(block.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let shape = self.parse_header(&data)?;
        let end = data.len();
        let data = data.slice(self.header_nbytes(), end);
        if shape == self.spec.shape {
            let nbytes = in_memory(self.spec.nbytes())?;
            return self.whole.decode(self.decompress(data, nbytes)?);
        }
        let block = self.block_spec(shape)?;
        let data = self.decompress(data, in_memory(block.nbytes())?)?;
        let items = Inner::compile(&self.transpose, &self.bytes, &block)?.decode(data)?;
        Ok(self.fit(&items, &block)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{Serializer, noise, roundtrip, torture};
    use crate::dtype::Layout;
    use crate::error::Kind as ErrorKind;

    const NONE: Resolve<'_> = &|json, _| Err(Error::unsupported(format!("{json}")));

    fn spec(shape: &[u64], scalar: Scalar, fill: u8) -> ChunkSpec {
        let layout = Layout::of(Kind::Real(scalar)).unwrap();
        let fill = vec![fill; layout.item_nbytes];
        ChunkSpec::new(shape.to_vec(), layout, &fill).unwrap()
    }

    fn document(rank: usize, compressor: Option<Value>) -> Value {
        let order: Vec<usize> = (0..rank).rev().collect();
        let mut codecs = vec![
            json!({"name": "transpose", "configuration": {"order": order}}),
            json!({"name": "bytes", "configuration": {"endian": "big"}}),
        ];
        codecs.extend(compressor);
        json!({"name": "n5_default", "configuration": {"codecs": codecs}})
    }

    fn codec(spec: &ChunkSpec, compressor: Option<Value>) -> Serializer {
        let json = document(spec.rank(), compressor);
        match compile(&Document::parse(&json).unwrap(), spec, 0, NONE).unwrap() {
            Stage::ArrayBytes(codec) => {
                assert_eq!(codec.to_json(), json);
                Serializer(codec)
            }
            _ => unreachable!(),
        }
    }

    fn gzip() -> Option<Value> {
        Some(json!({"name": "gzip", "configuration": {"level": 1}}))
    }

    fn native(items: &[u16]) -> Vec<u8> {
        items.iter().flat_map(|item| item.to_ne_bytes()).collect()
    }

    #[test]
    fn the_first_axis_is_the_fastest_and_bytes_are_big_endian() {
        let spec = spec(&[2, 3], Scalar::Uint16, 0);
        let encoded = roundtrip(&codec(&spec, None), &native(&[1, 2, 3, 4, 5, 6]));
        let header = [0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!(encoded, [&header[..], &[0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6]].concat());
    }

    #[test]
    fn every_compressor() {
        for compressor in [
            None,
            gzip(),
            Some(json!({"name": "zstd", "configuration": {"level": 0}})),
            Some(json!({"name": "blosc", "configuration":
                {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4, "blocksize": 0}})),
        ] {
            for shape in [&[][..], &[7], &[4, 5], &[2, 3, 4]] {
                let spec = spec(shape, Scalar::Float32, 0);
                let json = document(shape.len(), compressor.clone());
                let Stage::ArrayBytes(codec) = compile(&Document::parse(&json).unwrap(), &spec, 0, NONE).unwrap()
                else {
                    unreachable!()
                };
                roundtrip(&Serializer(codec), &noise(spec.nbytes() as usize));
            }
        }
    }

    /// Blocks of every shape around the chunk's: what both have is the same, the rest is the fill value.
    #[test]
    fn blocks_of_other_shapes_are_padded_and_cut() {
        let chunk_shape = [2, 3, 2];
        let chunk = spec(&chunk_shape, Scalar::Uint16, 9);
        for compressor in [None, gzip()] {
            let reader = codec(&chunk, compressor.clone());
            for number in 0..4 * 4 * 4 {
                let shape = [number / 16, number / 4 % 4, number % 4];
                let block = spec(&shape, Scalar::Uint16, 0);
                let items: Vec<u16> = (0..block.items() as u16).map(|n| n + 100).collect();
                let writer = codec(&block, compressor.clone());
                let stored = native(&items);
                let encoded = writer.0.encode(Bytes::Borrowed(&stored)).unwrap();
                let mut want = vec![0x0909; 12];
                for (n, want) in want.iter_mut().enumerate() {
                    let at = [n / 6, n / 2 % 3, n % 2];
                    if at.iter().zip(&shape).all(|(&at, &length)| (at as u64) < length) {
                        let place = at
                            .iter()
                            .zip(&shape)
                            .fold(0, |place, (&at, &n)| place * n as usize + at);
                        *want = items[place];
                    }
                }
                assert_eq!(*reader.0.decode(encoded).unwrap(), native(&want), "{shape:?}");
            }
        }
    }

    #[test]
    fn damage() {
        let spec = spec(&[5, 4], Scalar::Uint16, 0);
        let items = noise(40);
        for compressor in [None, gzip()] {
            let codec = codec(&spec, compressor);
            let encoded = roundtrip(&codec, &items);
            torture(&codec, &encoded, items.len());
        }
    }

    #[test]
    fn headers() {
        let chunk = spec(&[2, 2], Scalar::Uint8, 0);
        let kind = |compressor: Option<Value>, data: &[u8]| {
            codec(&chunk, compressor)
                .0
                .decode(Bytes::Borrowed(data))
                .err()
                .map(|e| e.kind())
        };
        let block = |mode: u8, rank: u8, a: u32, b: u32, items: &[u8]| {
            [&[0, mode, 0, rank][..], &a.to_be_bytes(), &b.to_be_bytes(), items].concat()
        };
        assert_eq!(kind(None, &block(0, 2, 2, 2, &[1, 2, 3, 4])), None);
        assert_eq!(kind(None, &block(0, 2, 1, 2, &[1, 2])), None);
        assert_eq!(
            kind(None, &block(1, 2, 2, 2, &[1, 2, 3, 4])),
            Some(ErrorKind::Unsupported)
        );
        assert_eq!(
            kind(None, &block(2, 2, 2, 2, &[1, 2, 3, 4])),
            Some(ErrorKind::Unsupported)
        );
        assert_eq!(kind(None, &block(3, 2, 2, 2, &[1, 2, 3, 4])), Some(ErrorKind::Codec));
        assert_eq!(kind(None, &block(0, 1, 2, 2, &[1, 2, 3, 4])), Some(ErrorKind::Codec));
        assert_eq!(kind(None, &block(0, 2, 2, 2, &[1, 2, 3])), Some(ErrorKind::Truncated));
        assert_eq!(kind(None, &block(0, 2, 2, 2, &[1, 2, 3, 4, 5])), Some(ErrorKind::Size));
        assert_eq!(kind(None, &block(0, 2, 2, 2, &[])[..11]), Some(ErrorKind::Truncated));
        assert_eq!(kind(None, &[]), Some(ErrorKind::Truncated));
        // Lies about the size.
        for (a, b) in [(u32::MAX, u32::MAX), (u32::MAX, 1), (65, 1)] {
            assert_eq!(kind(None, &block(0, 2, a, b, &[1])), Some(ErrorKind::Size));
            assert_eq!(kind(gzip(), &block(0, 2, a, b, &[1])), Some(ErrorKind::Size));
        }
        assert_eq!(kind(None, &block(0, 2, 8, 8, &[1])), Some(ErrorKind::Truncated));
    }

    #[test]
    fn wrong_documents() {
        let chunk = spec(&[2, 2], Scalar::Int16, 0);
        let transpose = json!({"name": "transpose", "configuration": {"order": [1, 0]}});
        let bytes = json!({"name": "bytes", "configuration": {"endian": "big"}});
        for (place, codecs) in [
            ("/configuration/codecs", json!(null)),
            ("/configuration/codecs", json!([transpose])),
            (
                "/configuration/codecs",
                json!([transpose, bytes, {"name": "crc32c"}, {"name": "crc32c"}]),
            ),
            ("/configuration/codecs/0", json!([bytes, transpose])),
            (
                "/configuration/codecs/0",
                json!([{"name": "transpose", "configuration": {"order": [0, 1]}}, bytes]),
            ),
            (
                "/configuration/codecs/1",
                json!([transpose, {"name": "bytes", "configuration": {"endian": "little"}}]),
            ),
            ("/configuration/codecs/2", json!([transpose, bytes, bytes])),
            (
                "/configuration/codecs/2/configuration/level",
                json!([transpose, bytes, {"name": "gzip", "configuration": {"level": 10}}]),
            ),
        ] {
            let json = json!({"name": "n5_default", "configuration": {"codecs": codecs}});
            let Err(error) = compile(&Document::parse(&json).unwrap(), &chunk, 0, NONE) else {
                panic!("{json} was accepted")
            };
            assert_eq!(error.kind(), ErrorKind::Metadata);
            assert_eq!(error.place(), place, "{error}");
        }
        for scalar in [Scalar::Bool, Scalar::Float16, Scalar::Int4] {
            let json = document(2, None);
            let error = compile(&Document::parse(&json).unwrap(), &spec(&[2, 2], scalar, 0), 0, NONE)
                .err()
                .unwrap();
            assert!(error.detail().contains(scalar.name()), "{error}");
        }
    }
}
