//! `pcodec`: lossless compression of numbers by Pco, in its standalone format.
//!
//! <https://numcodecs.readthedocs.io/en/stable/compression/pcodec.html>, <https://github.com/pcodec/pcodec>
//!
//! Names: `numcodecs.pcodec`, `pcodec`.
//!
//! ```json
//! {"name": "numcodecs.pcodec", "configuration": {"level": 8, "mode_spec": "auto", "delta_spec": "auto",
//!  "paging_spec": "equal_pages_up_to", "delta_encoding_order": null, "equal_pages_up_to": 262144}}
//! ```
//!
//! All members may be absent. `level` is 0 to 12; `mode_spec` "auto" or "classic"; `delta_spec` "auto", "no_op" ("none"
//! in older documents), "try_consecutive" (of `delta_encoding_order`, 0 to 7) or "try_lookback". An order beside "auto"
//! means "try_consecutive". Integers and floats of 16 bits and more are stored, complex numbers as their components,
//! times as integers.
//!
//! Bound: `layout`, where items are to be taken for another data type than their own (times for integers).
//!
//! How many numbers a stream holds is counted as they come out; what its header says of that is not used.

use std::any::Any;
use std::sync::Arc;

use pco::data_types::{Number, NumberType};
use pco::errors::{ErrorKind, PcoError};
use pco::standalone::{DecompressorItem, FileDecompressor, guarantee, simple_compress};
use pco::{ChunkConfig, DeltaSpec, FULL_BATCH_N, ModeSpec, PagingSpec};
use serde_json::Value;

use super::computed::bound_layout;
use super::{ArrayBytesCodec, Codec, Document, Expect, Stage};
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::limits::max_compressed_nbytes;
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

/// Numbers of a chunk of the format, which has one page: more are stored as several chunks.
const MAX_PAGE_N: i64 = 1 << 24;

struct Pcodec {
    name: String,
    json: Value,
    config: ChunkConfig,
    scalar: Scalar,
    nbytes: usize,
    max_encoded_nbytes: u64,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[
        "level",
        "mode_spec",
        "delta_spec",
        "paging_spec",
        "delta_encoding_order",
        "equal_pages_up_to",
    ])?;
    let page_n = document
        .integer("equal_pages_up_to", 1, i64::MAX, Some(1 << 18))?
        .min(MAX_PAGE_N);
    word(document, "paging_spec", "equal_pages_up_to", &["equal_pages_up_to"])?;
    let config = ChunkConfig::default()
        .with_compression_level(document.integer("level", 0, 12, Some(8))? as usize)
        .with_mode_spec(match word(document, "mode_spec", "auto", &["auto", "classic"])? {
            "classic" => ModeSpec::Classic,
            _ => ModeSpec::Auto,
        })
        .with_delta_spec(parse_delta(document)?)
        .with_paging_spec(PagingSpec::EqualPagesUpTo(page_n as usize));
    let scalar = number(document, spec)?;
    let nbytes = usize::try_from(spec.nbytes()).map_err(|_| Error::memory(spec.nbytes()))?;
    Ok(Stage::ArrayBytes(Arc::new(Pcodec {
        name: document.name.to_owned(),
        json: document.to_json(),
        config,
        scalar,
        nbytes,
        max_encoded_nbytes: max_encoded(scalar, nbytes as u64, page_n as u64),
    })))
}

/// The data type of what is compressed, if it is one that the format has.
fn number(document: &Document<'_>, spec: &ChunkSpec) -> Result<Scalar> {
    use Scalar::{Float16, Float32, Float64, Int16, Int32, Int64, Uint16, Uint32, Uint64};
    let layout = match document.bound("layout") {
        Some(_) => bound_layout(document, "layout")?,
        None => spec.layout.clone(),
    };
    if layout.item_nbytes != spec.layout.item_nbytes {
        return Err(Error::metadata("pcodec was told of items of another size"));
    }
    match layout.kind.components() {
        Some((scalar @ (Uint16 | Uint32 | Uint64 | Int16 | Int32 | Int64 | Float16 | Float32 | Float64), _)) => {
            Ok(scalar)
        }
        _ => Err(Error::metadata(format!(
            "pcodec takes integers, floats and complex numbers of 16 to 64 bits and times, not {}",
            layout.kind.name()
        ))),
    }
}

/// What the codec writes at most, by the format's own guarantee, and what is generous for other encoders.
fn max_encoded(scalar: Scalar, nbytes: u64, page_n: u64) -> u64 {
    let count = nbytes / scalar.nbytes() as u64;
    let page_n = page_n.min(count.max(1));
    let page_nbytes = match scalar.nbytes() {
        2 => guarantee::chunk_size::<u16>(page_n as usize),
        4 => guarantee::chunk_size::<u32>(page_n as usize),
        _ => guarantee::chunk_size::<u64>(page_n as usize),
    };
    let pages = count.div_ceil(page_n).saturating_mul(page_nbytes as u64);
    max_compressed_nbytes(nbytes).max(pages.saturating_add(guarantee::header_size() as u64 + 1))
}

fn word<'d>(document: &Document<'d>, key: &str, default: &'d str, words: &[&str]) -> Result<&'d str> {
    match document.get(key).map_or(Some(default), Value::as_str) {
        Some(found) if words.contains(&found) => Ok(found),
        _ => Err(document.invalid(key, &format!("one of {words:?}"))),
    }
}

fn parse_delta(document: &Document<'_>) -> Result<DeltaSpec> {
    const WORDS: &[&str] = &["auto", "no_op", "none", "try_consecutive", "try_lookback"];
    let order = match document.get("delta_encoding_order") {
        None | Some(Value::Null) => None,
        Some(_) => Some(document.integer("delta_encoding_order", 0, 7, None)? as usize),
    };
    match (word(document, "delta_spec", "auto", WORDS)?, order) {
        ("auto" | "try_consecutive", Some(order)) => Ok(DeltaSpec::TryConsecutive(order)),
        (other, Some(_)) => Err(Error::metadata(format!(
            "\"delta_encoding_order\" has a meaning with a \"delta_spec\" of try_consecutive or auto only, not {other}"
        ))),
        ("no_op" | "none", None) => Ok(DeltaSpec::NoOp),
        ("try_consecutive", None) => Ok(DeltaSpec::TryConsecutive(0)),
        ("try_lookback", None) => Ok(DeltaSpec::TryLookback),
        _ => Ok(DeltaSpec::Auto),
    }
}

impl Codec for Pcodec {
    fn name(&self) -> &str {
        &self.name
    }

    fn to_json(&self) -> Value {
        self.json.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Calls a function that is generic over the numbers of a data type which `number` has let through.
macro_rules! for_scalar {
    ($scalar:expr, $function:ident($($argument:expr),*)) => {
        match $scalar {
            Scalar::Uint16 => $function::<u16, 2>($($argument),*),
            Scalar::Uint32 => $function::<u32, 4>($($argument),*),
            Scalar::Int16 => $function::<i16, 2>($($argument),*),
            Scalar::Int32 => $function::<i32, 4>($($argument),*),
            Scalar::Int64 => $function::<i64, 8>($($argument),*),
            Scalar::Float16 => $function::<half::f16, 2>($($argument),*),
            Scalar::Float32 => $function::<f32, 4>($($argument),*),
            Scalar::Float64 => $function::<f64, 8>($($argument),*),
            _ => $function::<u64, 8>($($argument),*),
        }
    };
}

impl ArrayBytesCodec for Pcodec {
    fn encoded_nbytes(&self) -> Option<u64> {
        None
    }

    fn max_encoded_nbytes(&self) -> u64 {
        self.max_encoded_nbytes
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.nbytes).check(items.len())?;
        let data = for_scalar!(self.scalar, compress(&items, &self.config))?;
        Ok(Bytes::foreign(Box::new(data)))
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let mut items = scratch::take(self.nbytes)?;
        for_scalar!(self.scalar, decompress(&data, &mut items))?;
        Ok(items.into())
    }
}

/// A number that the format has, from and to the bytes of an item.
trait Native<const N: usize>: Number + Default {
    fn from_item(item: [u8; N]) -> Self;
    fn to_item(self) -> [u8; N];
}

macro_rules! native {
    ($($type:ty, $nbytes:literal;)*) => {$(
        impl Native<$nbytes> for $type {
            fn from_item(item: [u8; $nbytes]) -> Self {
                <$type>::from_ne_bytes(item)
            }

            fn to_item(self) -> [u8; $nbytes] {
                self.to_ne_bytes()
            }
        }
    )*};
}
native! { u16, 2; u32, 4; u64, 8; i16, 2; i32, 4; i64, 8; half::f16, 2; f32, 4; f64, 8; }

fn compress<T: Native<N>, const N: usize>(items: &[u8], config: &ChunkConfig) -> Result<Vec<u8>> {
    let items = items.as_chunks::<N>().0;
    // Aligned, which the buffer of the items need not be.
    let mut numbers = Vec::new();
    numbers
        .try_reserve_exact(items.len())
        .map_err(|_| Error::memory((items.len() * N) as u64))?;
    numbers.extend(items.iter().map(|&item| T::from_item(item)));
    simple_compress(&numbers, config).map_err(|error| Error::internal(error.to_string()))
}

/// The numbers of the stream: as many as fill `items`.
fn decompress<T: Native<N>, const N: usize>(data: &[u8], items: &mut [u8]) -> Result<()> {
    let nbytes = items.len();
    let mut free = items.as_chunks_mut::<N>().0;
    let mut batch = [T::default(); 8 * FULL_BATCH_N];
    let (file, mut rest) = FileDecompressor::new(data).map_err(damaged)?;
    loop {
        let mut chunk = match file.chunk_decompressor::<T, _>(rest).map_err(damaged)? {
            DecompressorItem::Chunk(chunk) => chunk,
            DecompressorItem::EndOfData([]) => break,
            DecompressorItem::EndOfData(behind) => {
                return Err(Error::corrupt(format!(
                    "{} bytes follow the end of the stream",
                    behind.len()
                )));
            }
        };
        if chunk.n() > free.len() {
            return Err(Expect::Exactly(nbytes).overflow());
        }
        loop {
            let progress = chunk.read(&mut batch).map_err(damaged)?;
            let (ready, still_free) = free.split_at_mut(progress.n_processed);
            for (item, number) in ready.iter_mut().zip(&batch) {
                *item = number.to_item();
            }
            free = still_free;
            if progress.finished {
                break;
            }
        }
        rest = chunk.into_src();
    }
    Expect::Exactly(nbytes).check(nbytes - free.len() * N)
}

/// The type of a stream's first numbers, and how many numbers its writer announced, for callers who have only the
/// stream: a wrong announcement is found when it is decoded. None for a stream of no numbers that names no type.
pub fn announced(data: &[u8]) -> Result<Option<(Scalar, usize)>> {
    let (file, rest) = FileDecompressor::new(data).map_err(damaged)?;
    let found = match file.uniform_type() {
        Some(number) => Some(number),
        None => file.peek_number_type_or_termination(rest).map_err(damaged)?,
    };
    let Some(number) = found else {
        return Ok(None);
    };
    let scalar = match number {
        NumberType::U16 => Scalar::Uint16,
        NumberType::U32 => Scalar::Uint32,
        NumberType::U64 => Scalar::Uint64,
        NumberType::I16 => Scalar::Int16,
        NumberType::I32 => Scalar::Int32,
        NumberType::I64 => Scalar::Int64,
        NumberType::F16 => Scalar::Float16,
        NumberType::F32 => Scalar::Float32,
        NumberType::F64 => Scalar::Float64,
        other => return Err(Error::corrupt(format!("numbers of type {other:?} are none of Zarr's"))),
    };
    Ok(Some((scalar, file.n_hint())))
}

fn damaged(error: PcoError) -> Error {
    match error.kind {
        ErrorKind::InsufficientData => Error::truncated(error.message),
        _ => Error::corrupt(error.message),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::hostile::{Serializer, compile_error, noise, ramp, roundtrip, torture};
    use crate::dtype::{Kind, Layout};
    use crate::error::Kind as ErrorKind;

    const NUMBERS: [Scalar; 9] = [
        Scalar::Uint16,
        Scalar::Uint32,
        Scalar::Uint64,
        Scalar::Int16,
        Scalar::Int32,
        Scalar::Int64,
        Scalar::Float16,
        Scalar::Float32,
        Scalar::Float64,
    ];

    fn spec(count: u64, kind: Kind) -> ChunkSpec {
        let layout = Layout::of(kind).unwrap();
        let fill = vec![0; layout.item_nbytes];
        ChunkSpec::new(vec![count], layout, &fill).unwrap()
    }

    fn codec(configuration: Value, count: usize, kind: Kind) -> Serializer {
        let json = json!({"name": "numcodecs.pcodec", "configuration": configuration});
        match compile(&Document::parse(&json).unwrap(), &spec(count as u64, kind)).unwrap() {
            Stage::ArrayBytes(codec) => Serializer(codec),
            _ => unreachable!(),
        }
    }

    fn configurations() -> Vec<Value> {
        vec![
            json!({}),
            json!({"level": 0}),
            json!({"level": 12, "mode_spec": "classic", "delta_spec": "none"}),
            json!({"delta_encoding_order": 2}),
            json!({"delta_spec": "try_consecutive", "delta_encoding_order": 7}),
            json!({"delta_spec": "try_consecutive"}),
            json!({"delta_spec": "try_lookback"}),
            json!({"delta_spec": "no_op", "equal_pages_up_to": 100}),
            json!({"equal_pages_up_to": 1, "delta_encoding_order": null}),
        ]
    }

    #[test]
    fn every_number_and_every_configuration() {
        for configuration in configurations() {
            for scalar in NUMBERS {
                for (kind, count) in [
                    (Kind::Real(scalar), 1501),
                    (Kind::Complex(scalar), 300),
                    (Kind::Real(scalar), 0),
                ] {
                    let nbytes = count * Layout::of(kind).unwrap().item_nbytes;
                    for items in [noise(nbytes), ramp(nbytes), vec![3; nbytes]] {
                        let codec = codec(configuration.clone(), count, kind);
                        assert_eq!(codec.0.encoded_nbytes(), None);
                        roundtrip(&codec, &items);
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_shrink() {
        let items: Vec<u8> = (0..10_000_u32).flat_map(|n| (n * 3).to_ne_bytes()).collect();
        assert!(roundtrip(&codec(json!({}), 10_000, Kind::Real(Scalar::Uint32)), &items).len() < 200);
    }

    /// Streams of all the ways in which the format can store numbers.
    fn streams(scalar: Scalar, count: usize) -> Vec<(Serializer, Vec<u8>)> {
        let kind = Kind::Real(scalar);
        let nbytes = count * scalar.nbytes();
        let tenths: Vec<u8> = (0..count).flat_map(|n| ((n % 97) as f64 * 0.1).to_ne_bytes()).collect();
        let multiples: Vec<u8> = noise(count)
            .iter()
            .flat_map(|&n| (i64::from(n) * 700).to_ne_bytes())
            .collect();
        let mut inputs = vec![
            noise(nbytes),
            ramp(nbytes),
            noise(nbytes / 7 + 1).repeat(7)[..nbytes].to_vec(),
        ];
        if scalar == Scalar::Float64 {
            inputs.push(tenths);
        }
        if scalar == Scalar::Int64 {
            inputs.push(multiples);
        }
        let mut streams = Vec::new();
        for configuration in configurations() {
            for items in &inputs {
                let codec = codec(configuration.clone(), count, kind);
                let encoded = codec.0.encode(Bytes::Borrowed(items)).unwrap().to_vec();
                streams.push((codec, encoded));
            }
        }
        streams
    }

    #[test]
    fn damage_is_an_error_or_other_values() {
        for (scalar, count) in [(Scalar::Uint16, 40), (Scalar::Float64, 12)] {
            // Every fourth one: there are many.
            for (codec, encoded) in streams(scalar, count).into_iter().step_by(4) {
                torture(&codec, &encoded, count * scalar.nbytes());
            }
        }
    }

    /// Not all damage is a single byte.
    #[test]
    fn scrambled_streams() {
        let random = noise(1 << 20);
        let mut random = random
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .cycle();
        for scalar in NUMBERS {
            for (codec, encoded) in streams(scalar, 600) {
                for _ in 0..40 {
                    let mut bad = encoded.clone();
                    for _ in 0..=random.next().unwrap() % 4 {
                        let at = random.next().unwrap() as usize % bad.len().min(80);
                        bad[at] = random.next().unwrap() as u8;
                    }
                    let decoded = codec.0.decode(Bytes::Borrowed(&bad));
                    assert!(decoded.is_err() || decoded.is_ok_and(|items| items.len() == 600 * scalar.nbytes()));
                }
            }
        }
    }

    #[test]
    fn another_number_of_numbers() {
        let kind = Kind::Real(Scalar::Int32);
        let items: Vec<u8> = (0..700_i32).flat_map(i32::to_ne_bytes).collect();
        let pages = json!({"equal_pages_up_to": 100});
        let encoded = roundtrip(&codec(pages, 700, kind), &items);
        let found = |count, data: &[u8]| {
            let codec = codec(json!({}), count, kind);
            codec.0.decode(Bytes::Borrowed(data)).err().map(|e| e.kind())
        };
        assert_eq!(found(700, &encoded), None);
        assert_eq!(found(699, &encoded), Some(ErrorKind::Size));
        assert_eq!(found(600, &encoded), Some(ErrorKind::Size));
        assert_eq!(found(701, &encoded), Some(ErrorKind::Truncated));
        assert_eq!(found(0, &encoded), Some(ErrorKind::Size));
        assert_eq!(found(700, &encoded[..encoded.len() - 1]), Some(ErrorKind::Truncated));
        assert_eq!(found(700, &[&encoded[..], &[0]].concat()), Some(ErrorKind::Codec));
        // Numbers of another type.
        let floats = codec(json!({}), 700, Kind::Real(Scalar::Float32));
        let error = floats.0.decode(Bytes::Borrowed(&encoded)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Codec);
    }

    #[test]
    fn huge_chunks_compile() {
        let configuration = json!({"equal_pages_up_to": 1});
        let codec = codec(configuration, 1 << 38, Kind::Real(Scalar::Uint16));
        assert!(codec.0.max_encoded_nbytes() > 1 << 39);
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for (key, wrong) in [
            ("level", json!({"level": 13})),
            ("level", json!({"level": null})),
            ("mode_spec", json!({"mode_spec": "try_float_mult"})),
            ("delta_spec", json!({"delta_spec": "try_conv1"})),
            ("delta_spec", json!({"delta_spec": 1})),
            ("paging_spec", json!({"paging_spec": "exact"})),
            ("delta_encoding_order", json!({"delta_encoding_order": 8})),
            (
                "delta_encoding_order",
                json!({"delta_encoding_order": 1, "delta_spec": "no_op"}),
            ),
            ("equal_pages_up_to", json!({"equal_pages_up_to": 0})),
            ("max_page_n", json!({"max_page_n": 1})),
        ] {
            let json = json!({"name": "pcodec", "configuration": wrong});
            let error = compile_error(compile, &json, &spec(4, Kind::Real(Scalar::Uint32)));
            assert_eq!(error.kind(), ErrorKind::Metadata);
            assert!(error.detail().contains(key), "{error}");
        }
        for kind in [
            Kind::Real(Scalar::Bool),
            Kind::Real(Scalar::Uint8),
            Kind::Real(Scalar::Bfloat16),
        ] {
            let error = compile_error(compile, &json!("pcodec"), &spec(4, kind));
            assert!(error.detail().contains(&kind.name()), "{error}");
        }
    }
}
