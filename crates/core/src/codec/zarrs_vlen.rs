//! `zarrs.vlen`: items of variable length as one run of bytes and an index of where each ends, both encoded on their own.
//!
//! <https://docs.rs/zarrs/latest/zarrs/array/codec/array_to_bytes/vlen>
//!
//! Names: `zarrs.vlen`.
//!
//! ```json
//! {"name": "zarrs.vlen", "configuration": {
//!     "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
//!     "data_codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 0}}],
//!     "index_data_type": "uint32",
//!     "index_location": "end"}}
//! ```
//!
//! The index is one number more than there are items: each item begins at one and ends at the next. Its encoded size
//! (64 bits, little-endian) and itself lie in front of the data ("start", which absence means), or it and then its size
//! behind them ("end"). Where the items hold nothing at all, the data are no bytes, whatever their codecs.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ArrayBytesCodec, BytesBytesCodec, Codec, Document, Expect, Resolve, Stage};
use crate::chain::{Chain, Encoding};
use crate::dtype::{Content, Kind, Layout, Scalar};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::limits::{in_memory, max_chunk_nbytes};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;
use crate::variable;

const SIZE_NBYTES: usize = 8;

struct ZarrsVlen {
    content: Content,
    items: usize,
    /// The index as a chunk of numbers.
    index: Chain,
    wide: bool,
    index_at_start: bool,
    /// The codecs behind `bytes`: the data are of another size in each chunk, so they make no chain.
    compressors: Vec<Arc<dyn BytesBytesCodec>>,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec, depth: usize) -> Result<Stage> {
    document.only(&["index_codecs", "data_codecs", "index_data_type", "index_location"])?;
    let content = spec.layout.variable().ok_or_else(|| {
        Error::metadata(format!(
            "zarrs.vlen is for a data type of variable length, not for {}",
            spec.layout.kind.name()
        ))
    })?;
    let wide = match document.get("index_data_type").and_then(Value::as_str) {
        Some("uint32") => false,
        Some("uint64") => true,
        _ => return Err(document.invalid("index_data_type", "\"uint32\" or \"uint64\"")),
    };
    let index_at_start = match document.get("index_location").map(Value::as_str) {
        None | Some(Some("start")) => true,
        Some(Some("end")) => false,
        Some(_) => return Err(document.invalid("index_location", "\"start\" or \"end\"")),
    };
    let items = usize::try_from(spec.items()).map_err(|_| Error::memory(spec.nbytes()))?;
    let scalar = if wide { Scalar::Uint64 } else { Scalar::Uint32 };
    let index = Chain::compile(
        codecs(document, "index_codecs")?,
        numbers(scalar, spec.items() + 1)?,
        depth + 1,
        &native_only,
    );
    Ok(Stage::ArrayBytes(Arc::new(ZarrsVlen {
        content,
        items,
        index: index.map_err(|error| error.under("/configuration/index_codecs"))?,
        wide,
        index_at_start,
        compressors: compile_data(codecs(document, "data_codecs")?, depth)
            .map_err(|error| error.under("/configuration/data_codecs"))?,
    })))
}

fn codecs<'d>(document: &Document<'d>, key: &str) -> Result<&'d Vec<Value>> {
    let list = document.get(key).and_then(Value::as_array);
    list.filter(|list| !list.is_empty())
        .ok_or_else(|| document.invalid(key, "a list of codecs"))
}

fn native_only(json: &Value, _: &ChunkSpec) -> Result<Stage> {
    Err(Error::unsupported(format!(
        "codec {json} in zarrs.vlen is not built in"
    )))
}

/// A chunk of so many unsigned integers.
fn numbers(scalar: Scalar, count: u64) -> Result<ChunkSpec> {
    let layout = Layout::of(Kind::Real(scalar)).ok_or_else(|| Error::internal("numbers have components"))?;
    let zero = vec![0; layout.item_nbytes];
    ChunkSpec::new(vec![count], layout, &zero)
}

/// What encodes the data: `bytes`, which does nothing to them, and then codecs that do not look at items.
fn compile_data(documents: &[Value], depth: usize) -> Result<Vec<Arc<dyn BytesBytesCodec>>> {
    let spec = numbers(Scalar::Uint8, 1)?;
    let resolve: Resolve<'_> = &native_only;
    // As a chain they are checked for their order.
    Chain::compile(documents, spec.clone(), depth + 1, resolve)?;
    if Document::parse(&documents[0])?.name != "bytes" {
        return Err(Error::unsupported(
            "data_codecs of zarrs.vlen that do not begin with bytes",
        ));
    }
    let compile = |json| match super::compile(json, &spec, depth + 1, resolve)? {
        Stage::BytesBytes(codec) => Ok(codec),
        _ => Err(Error::internal("a chain had two array-to-bytes codecs")),
    };
    documents[1..].iter().map(compile).collect()
}

impl ZarrsVlen {
    /// The encoded index and the encoded data of a chunk.
    fn take_apart<'d>(&self, data: &'d [u8]) -> Result<(&'d [u8], &'d [u8])> {
        let short = || Error::truncated(format!("{} bytes have no room for the index", data.len()));
        let (size, rest) = if self.index_at_start {
            data.split_first_chunk::<SIZE_NBYTES>().ok_or_else(short)?
        } else {
            data.split_last_chunk::<SIZE_NBYTES>()
                .map(|(rest, size)| (size, rest))
                .ok_or_else(short)?
        };
        let size = usize::try_from(u64::from_le_bytes(*size)).unwrap_or(usize::MAX);
        if self.index_at_start {
            rest.split_at_checked(size).ok_or_else(short)
        } else {
            let at = rest.len().checked_sub(size).ok_or_else(short)?;
            let (data, index) = rest.split_at(at);
            Ok((index, data))
        }
    }

    /// The numbers of the index: they do not fall.
    fn offsets(&self, index: &[u8]) -> Result<Vec<usize>> {
        let decoded = self.index.decode(Bytes::Borrowed(index))?;
        let number = |item: &[u8]| -> usize {
            let number = match (item.first_chunk(), item.first_chunk()) {
                (Some(wide), _) if self.wide => u64::from_ne_bytes(*wide),
                (_, Some(narrow)) => u32::from_ne_bytes(*narrow).into(),
                _ => 0,
            };
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        let offsets: Vec<usize> = decoded
            .chunks_exact(if self.wide { 8 } else { 4 })
            .map(number)
            .collect();
        if offsets.len() != self.items + 1 || !offsets.is_sorted() {
            return Err(Error::corrupt("the offsets of the items are not in order"));
        }
        Ok(offsets)
    }

    /// The data, which are `nbytes` long by what the index says: that is no reason to allocate as much.
    fn decode_data<'a>(&self, data: Bytes<'a>, nbytes: usize) -> Result<Bytes<'a>> {
        if nbytes == 0 {
            Expect::Exactly(0).check(data.len())?;
            return Ok(data);
        }
        let mut bound = in_memory(nbytes as u64)? as u64;
        let mut expects = Vec::with_capacity(self.compressors.len());
        for codec in &self.compressors {
            let limit = bound.min(max_chunk_nbytes());
            expects.push(Expect::AtMost(usize::try_from(limit).unwrap_or(usize::MAX)));
            bound = codec.max_encoded_nbytes(bound);
        }
        let mut data = data;
        for (codec, expect) in self.compressors.iter().zip(expects).rev() {
            data = codec
                .decode(data, expect)
                .map_err(|error| error.in_codec(codec.name(), 0))?;
        }
        Expect::Exactly(nbytes).check(data.len())?;
        Ok(data)
    }

    fn encode_index(&self, items: &[u8]) -> Result<Bytes<'static>> {
        let width = if self.wide { 8 } else { 4 };
        let mut numbers = scratch::take((self.items + 1) * width)?;
        // SAFETY: items of variable length are descriptors of live heaps, by the rule of `variable`.
        let contents = unsafe { variable::contents(items) };
        let ends = contents.scan(0_u64, |end, item| {
            *end += item.len() as u64;
            Some(*end)
        });
        for (slot, end) in numbers.chunks_exact_mut(width).zip(std::iter::once(0).chain(ends)) {
            if self.wide {
                slot.copy_from_slice(&end.to_ne_bytes());
            } else {
                let end = u32::try_from(end)
                    .map_err(|_| Error::value("zarrs.vlen with index_data_type uint32 stores 4 GiB a chunk at most"))?;
                slot.copy_from_slice(&end.to_ne_bytes());
            }
        }
        let encoded = self.index.encode(&numbers, Encoding { keep_empty: true })?;
        encoded.ok_or_else(|| Error::internal("the index of the items came out empty"))
    }

    fn encode_data(&self, items: &[u8]) -> Result<Bytes<'static>> {
        // SAFETY: as above.
        let (contents, nbytes) = unsafe { (variable::contents(items), variable::total_nbytes(items)?) };
        let mut data = scratch::take(nbytes)?;
        let mut rest = &mut data[..];
        for item in contents {
            let (place, behind) = std::mem::take(&mut rest).split_at_mut(item.len());
            place.copy_from_slice(item);
            rest = behind;
        }
        let data = Bytes::from(data);
        if nbytes == 0 {
            return Ok(data);
        }
        self.compressors.iter().try_fold(data, |data, codec| {
            codec.encode(data).map_err(|error| error.in_codec(codec.name(), 0))
        })
    }
}

impl Codec for ZarrsVlen {
    fn name(&self) -> &str {
        "zarrs.vlen"
    }

    fn to_json(&self) -> Value {
        let data: Vec<Value> = std::iter::once(json!({"name": "bytes"}))
            .chain(self.compressors.iter().map(|codec| codec.to_json()))
            .collect();
        json!({"name": "zarrs.vlen", "configuration": {
            "index_codecs": self.index.to_json(),
            "data_codecs": data,
            "index_data_type": if self.wide { "uint64" } else { "uint32" },
            "index_location": if self.index_at_start { "start" } else { "end" },
        }})
    }

    fn takes_variable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayBytesCodec for ZarrsVlen {
    fn encoded_nbytes(&self) -> Option<u64> {
        None
    }

    /// The shape says nothing of it: what may be held in memory bounds it.
    fn max_encoded_nbytes(&self) -> u64 {
        u64::MAX
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        let (index, data) = (self.encode_index(&items)?, self.encode_data(&items)?);
        let size = (index.len() as u64).to_le_bytes();
        let parts: [&[u8]; 3] = if self.index_at_start {
            [&size, &index, &data]
        } else {
            [&data, &index, &size]
        };
        let mut out = scratch::take(parts.iter().map(|part| part.len()).sum())?;
        let mut at = 0;
        for part in parts {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        Ok(out.into())
    }

    fn decode<'a>(&self, _: Bytes<'a>) -> Result<Bytes<'a>> {
        Err(Error::internal("items of variable length were decoded without a heap"))
    }

    fn decode_with<'a>(&self, data: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        let (index, encoded) = self.take_apart(&data)?;
        let offsets = self.offsets(index)?;
        let nbytes = offsets.last().copied().unwrap_or(0);
        let decoded = self.decode_data(Bytes::Borrowed(encoded), nbytes)?;
        let kept = heap.keep(decoded.into_owned()?);
        let items = variable::describe_parts(kept, offsets[0], offsets[1..].iter().copied())?;
        // SAFETY: they were described just now.
        variable::check_contents(unsafe { variable::contents(&items) }, self.content)?;
        Ok(items.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{compile_error, noise};
    use crate::error::Kind as ErrorKind;
    use crate::variable::Builder;

    const ENCODING: Encoding = Encoding { keep_empty: false };

    fn document(wide: bool, location: &str, data: &Value) -> Value {
        json!({"name": "zarrs.vlen", "configuration": {
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "data_codecs": data,
            "index_data_type": if wide { "uint64" } else { "uint32" }, "index_location": location}})
    }

    fn chain(document: Value, items: u64) -> Chain {
        let spec = ChunkSpec::variable(vec![items], Content::Utf8, b"-").unwrap();
        Chain::compile(&[document], spec, 0, &native_only).unwrap()
    }

    fn packed(items: &[&str]) -> Vec<u8> {
        let (heap, mut builder) = (Heap::default(), Builder::default());
        for item in items {
            builder.push(item.as_bytes()).unwrap();
        }
        // SAFETY: the heap is alive.
        unsafe { variable::pack(&builder.finish(&heap).unwrap()) }
            .unwrap()
            .to_vec()
    }

    #[test]
    fn known_bytes() {
        let items = packed(&["a", "bb", "", "dddd"]);
        let index: Vec<u8> = [0, 1, 3, 3, 7].iter().flat_map(|n: &u32| n.to_le_bytes()).collect();
        let size = 20_u64.to_le_bytes();
        let known = [&size[..], &index, b"abbdddd"].concat();
        let start = chain(document(false, "start", &json!(["bytes"])), 4);
        assert_eq!(*start.encode(&items, ENCODING).unwrap().unwrap(), known);
        assert_eq!(*start.decode(Bytes::Borrowed(&known)).unwrap(), items);
        let known = [b"abbdddd", &index[..], &size].concat();
        let end = chain(document(false, "end", &json!(["bytes"])), 4);
        assert_eq!(*end.encode(&items, ENCODING).unwrap().unwrap(), known);
        assert_eq!(*end.decode(Bytes::Borrowed(&known)).unwrap(), items);
    }

    #[test]
    fn every_form_comes_back() {
        let zstd = json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}});
        let blosc = json!({"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "noshuffle"}});
        for items in [["zwölf", "", "日本"], ["", "", ""]] {
            let items = packed(&items);
            for data in [
                json!(["bytes"]),
                json!(["bytes", zstd]),
                json!(["bytes", blosc, "crc32c"]),
            ] {
                for (wide, location) in [(true, "start"), (false, "end")] {
                    let mut document = document(wide, location, &data);
                    if location == "end" {
                        document["configuration"]["index_codecs"] =
                            json!([{"name": "bytes", "configuration": {"endian": "big"}}, zstd]);
                    }
                    let chain = chain(document, 3);
                    let stored = chain.encode(&items, ENCODING).unwrap().unwrap();
                    assert_eq!(*chain.decode(Bytes::Borrowed(&stored)).unwrap(), items);
                    for cut in 0..stored.len() {
                        assert!(chain.decode(Bytes::Borrowed(&stored[..cut])).is_err(), "cut at {cut}");
                    }
                    for at in 0..stored.len() {
                        for bit in 0..8 {
                            let mut bad = stored.to_vec();
                            bad[at] ^= 1 << bit;
                            // An error, or items that can be read.
                            let _ = chain.decode(Bytes::Borrowed(&bad));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_lies_is_refused() {
        let gzip = json!(["bytes", {"name": "gzip", "configuration": {"level": 1}}]);
        let kind = |data: &Value, index: &[u64], rest: &[u8]| {
            let index: Vec<u8> = index.iter().flat_map(|n| n.to_le_bytes()).collect();
            let bytes = [&(index.len() as u64).to_le_bytes()[..], &index, rest].concat();
            let chain = chain(document(true, "start", data), 2);
            chain.decode(Bytes::Borrowed(&bytes)).err().map(|error| error.kind())
        };
        let plain = json!(["bytes"]);
        assert_eq!(kind(&plain, &[0, 1, 2], b"ab"), None);
        assert_eq!(kind(&plain, &[1, 1, 2], b"ab"), None);
        assert_eq!(kind(&plain, &[0, 2, 1], b"a"), Some(ErrorKind::Codec));
        assert_eq!(kind(&plain, &[0, 1, 3], b"ab"), Some(ErrorKind::Truncated));
        assert_eq!(kind(&plain, &[0, 1, 1], b"ab"), Some(ErrorKind::Size));
        assert_eq!(kind(&plain, &[0, 0, 0], b"ab"), Some(ErrorKind::Size));
        assert_eq!(kind(&plain, &[0, 1], b"a"), Some(ErrorKind::Truncated));
        assert_eq!(kind(&plain, &[0, 1, 2], b"\xc3\xb6"), Some(ErrorKind::Codec));
        // A claim of half a terabyte costs nothing, one of more than there may be is refused.
        assert!(kind(&gzip, &[0, 1, 1 << 39], &noise(50)).is_some());
        assert_eq!(kind(&gzip, &[0, 1, u64::MAX], &noise(50)), Some(ErrorKind::Limit));
        let chain = chain(document(true, "end", &plain), 2);
        for bytes in [&b""[..], &[0xff; 8], &[0; 8], &noise(40)] {
            assert!(chain.decode(Bytes::Borrowed(bytes)).is_err());
        }
    }

    #[test]
    fn configurations_that_cannot_be() {
        let text = ChunkSpec::variable(vec![2], Content::Utf8, b"").unwrap();
        let error = |json: &Value| compile_error(|document, spec| compile(document, spec, 0), json, &text).kind();
        let good = document(true, "start", &json!(["bytes"]));
        let with = |key: &str, value: Value| {
            let mut changed = good.clone();
            changed["configuration"][key] = value;
            changed
        };
        for (key, value) in [
            ("index_data_type", json!("uint16")),
            ("index_location", json!("middle")),
            ("index_location", json!(null)),
            ("index_codecs", json!([])),
            ("index_codecs", json!(["crc32c"])),
            ("data_codecs", json!("bytes")),
            ("data_codecs", json!(["bytes", "bytes"])),
            ("other", json!(1)),
        ] {
            assert_eq!(error(&with(key, value)), ErrorKind::Metadata, "{key}");
        }
        assert_eq!(error(&with("data_codecs", json!(["unknown"]))), ErrorKind::Unsupported);
        let numbers = numbers(Scalar::Uint8, 2).unwrap();
        let kind = compile_error(|document, spec| compile(document, spec, 0), &good, &numbers).kind();
        assert_eq!(kind, ErrorKind::Metadata);
    }
}
