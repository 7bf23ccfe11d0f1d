//! `vlen-utf8`, `vlen-bytes`, `vlen-array`: items of variable length, each with its length in front.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/vlen-utf8>,
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/vlen-bytes>
//!
//! Names: `vlen-utf8` (for the data type `string`), `vlen-bytes` (for `bytes`), `zarrs.vlen_v2` (for both), and
//! `vlen-array`, which is numcodecs' alone: its items are bytes here, and `dtype` says what they are to others.
//!
//! ```json
//! {"name": "vlen-utf8"}
//! ```
//!
//! The number of items, then each item as its length and its bytes, in C order; numbers are unsigned integers of 32
//! bits, little-endian. What does not add up to the last byte is an error, as is text that is not UTF-8.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ArrayBytesCodec, Codec, Document, Stage};
use crate::dtype::Content;
use crate::error::{Error, Result};
use crate::heap::{self, Heap, ITEM_NBYTES};
use crate::scratch::{self, Bytes, Scratch};
use crate::spec::ChunkSpec;
use crate::variable;

const ARRAY: &str = "vlen-array";
/// Bytes of the count, and of each length.
const HEAD_NBYTES: usize = 4;

struct Vlen {
    name: &'static str,
    content: Content,
    items: usize,
    /// Of `vlen-array`.
    dtype: Option<Value>,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(if document.name == ARRAY { &["dtype"] } else { &[] })?;
    let (name, wanted) = match document.name {
        ARRAY => (ARRAY, Some(Content::Bytes)),
        "vlen-utf8" => ("vlen-utf8", Some(Content::Utf8)),
        "vlen-bytes" => ("vlen-bytes", Some(Content::Bytes)),
        _ => ("zarrs.vlen_v2", None),
    };
    let content = spec
        .layout
        .variable()
        .filter(|&found| wanted.is_none_or(|w| w == found));
    let content = content.ok_or_else(|| {
        let types = match wanted {
            Some(Content::Utf8) => "the data type string",
            Some(Content::Bytes) => "the data type bytes",
            None => "a data type of variable length",
        };
        Error::metadata(format!("{name} is for {types}, not for {}", spec.layout.kind.name()))
    })?;
    if spec.items() > u64::from(u32::MAX) {
        return Err(Error::metadata(format!(
            "{name} counts items by 32 bits, and a chunk has {}",
            spec.items()
        )));
    }
    let items = usize::try_from(spec.items()).map_err(|_| Error::memory(spec.nbytes()))?;
    let dtype = document.get("dtype").filter(|dtype| !dtype.is_null()).cloned();
    Ok(Stage::ArrayBytes(Arc::new(Vlen {
        name,
        content,
        items,
        dtype,
    })))
}

/// Takes a number off the front.
fn number(rest: &mut &[u8]) -> Result<usize> {
    let (head, behind) = rest
        .split_first_chunk::<HEAD_NBYTES>()
        .ok_or_else(|| Error::truncated(format!("{} bytes are left where a length must be", rest.len())))?;
    *rest = behind;
    usize::try_from(u32::from_le_bytes(*head)).map_err(|_| Error::limit("a length that cannot be addressed"))
}

impl Vlen {
    /// The descriptors of the items of a chunk whose bytes stay where they are.
    fn parse(&self, data: &[u8]) -> Result<Scratch> {
        let mut rest = data;
        let count = number(&mut rest)?;
        if count != self.items {
            return Err(Error::size(format!(
                "{count} items are stored where the chunk has {}",
                self.items
            )));
        }
        // Each has a length at least: what is too short for that is not worth an allocation.
        if rest.len() / HEAD_NBYTES < count {
            return Err(Error::truncated(format!(
                "{} bytes cannot hold {count} items",
                data.len()
            )));
        }
        let mut items = variable::take_items(count)?;
        for (number_, slot) in items.chunks_exact_mut(ITEM_NBYTES).enumerate() {
            let nbytes = number(&mut rest)?;
            let (item, behind) = rest.split_at_checked(nbytes).ok_or_else(|| {
                Error::truncated(format!(
                    "item {number_} has {nbytes} bytes, and {} are left",
                    rest.len()
                ))
            })?;
            slot.copy_from_slice(&heap::describe(item));
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(Error::size(format!("{} bytes lie behind the last item", rest.len())));
        }
        // SAFETY: they were described just now, and `data` is borrowed for as long.
        variable::check_contents(unsafe { variable::contents(&items) }, self.content)?;
        Ok(items)
    }
}

impl Codec for Vlen {
    fn name(&self) -> &str {
        self.name
    }

    fn to_json(&self) -> Value {
        match &self.dtype {
            Some(dtype) => json!({"name": self.name, "configuration": {"dtype": dtype}}),
            None => json!({"name": self.name}),
        }
    }

    fn takes_variable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayBytesCodec for Vlen {
    fn encoded_nbytes(&self) -> Option<u64> {
        None
    }

    /// The shape says nothing of it: what may be held in memory bounds it.
    fn max_encoded_nbytes(&self) -> u64 {
        u64::MAX
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        // SAFETY: items of variable length are descriptors of live heaps, by the rule of `variable`.
        let (contents, nbytes) = unsafe { (variable::contents(&items), variable::total_nbytes(&items)?) };
        let nbytes = nbytes.checked_add(HEAD_NBYTES * (contents.len() + 1));
        let mut out = scratch::take(nbytes.ok_or_else(|| Error::memory(u64::MAX))?)?;
        let mut rest = &mut out[..];
        let mut put = |bytes: &[u8]| {
            let (place, behind) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = behind;
        };
        put(&(self.items as u32).to_le_bytes());
        for item in contents {
            let nbytes = u32::try_from(item.len())
                .map_err(|_| Error::value(format!("{} cannot store an item of {} bytes", self.name, item.len())))?;
            put(&nbytes.to_le_bytes());
            put(item);
        }
        Ok(out.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        drop(data);
        Err(Error::internal("items of variable length were decoded without a heap"))
    }

    fn decode_with<'a>(&self, data: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        match data {
            // Whoever lent it keeps it for longer than the items are lent.
            Bytes::Borrowed(data) => self.parse(data).map(Bytes::from),
            data => self.parse(heap.keep(data.into_owned()?)).map(Bytes::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Chain, Encoding};
    use crate::codec::hostile::{compile_error, noise, spec_of};
    use crate::error::Kind;
    use crate::layers::Layer;
    use crate::select::{Axis, Piece};
    use crate::variable::Builder;

    const ENCODING: Encoding = Encoding { keep_empty: false };

    fn spec(shape: &[u64], content: Content) -> ChunkSpec {
        ChunkSpec::variable(shape.to_vec(), content, b"fill").unwrap()
    }

    fn chain(codecs: Value, spec: ChunkSpec) -> Chain {
        let none = |json: &Value, _: &ChunkSpec| Err(Error::unsupported(json.to_string()));
        Chain::compile(codecs.as_array().unwrap(), spec, 0, &none).unwrap()
    }

    fn packed(items: &[&[u8]]) -> Vec<u8> {
        let (heap, mut builder) = (Heap::default(), Builder::default());
        for item in items {
            builder.push(item).unwrap();
        }
        // SAFETY: the heap is alive.
        unsafe { variable::pack(&builder.finish(&heap).unwrap()) }
            .unwrap()
            .to_vec()
    }

    fn kind_of(chain: &Chain, data: &[u8]) -> Option<Kind> {
        chain.decode(Bytes::Borrowed(data)).err().map(|error| error.kind())
    }

    #[test]
    fn known_bytes() {
        let chain = chain(json!(["vlen-utf8"]), spec(&[3], Content::Utf8));
        let items = packed(&[b"a", b"", "zwölf".as_bytes()]);
        let stored = chain.encode(&items, ENCODING).unwrap().unwrap();
        let known = [&b"\x03\0\0\0\x01\0\0\0a\0\0\0\0\x06\0\0\0"[..], "zwölf".as_bytes()].concat();
        assert_eq!(*stored, known);
        assert_eq!(*chain.decode(Bytes::Borrowed(&stored)).unwrap(), items);
        assert!(chain.encoded_nbytes().is_none());
        assert!(chain.encode(&packed(&[&b"fill"[..]; 3]), ENCODING).unwrap().is_none());
        let kept = chain.encode(&packed(&[&b"fill"[..]; 3]), Encoding { keep_empty: true });
        assert!(kept.unwrap().is_some());
    }

    #[test]
    fn what_lies_is_refused() {
        let chain = chain(json!(["vlen-utf8"]), spec(&[3], Content::Utf8));
        let good = b"\x03\0\0\0\x01\0\0\0a\0\0\0\0\x02\0\0\0\xc3\xb6".to_vec();
        assert_eq!(kind_of(&chain, &good), None);
        for cut in 0..good.len() {
            assert_eq!(kind_of(&chain, &good[..cut]), Some(Kind::Truncated), "cut at {cut}");
        }
        assert_eq!(kind_of(&chain, &[&good[..], b"x"].concat()), Some(Kind::Size));
        let changed = |at: usize, byte| {
            let mut bad = good.clone();
            bad[at] = byte;
            kind_of(&chain, &bad)
        };
        assert_eq!(changed(0, 2), Some(Kind::Size)); // another count
        assert_eq!(changed(3, 255), Some(Kind::Size)); // of four thousand million
        assert_eq!(changed(7, 255), Some(Kind::Truncated)); // an item of four gigabytes
        assert_eq!(changed(4, 0), Some(Kind::Truncated)); // the next length is then no length
        assert_eq!(changed(17, 0xff), Some(Kind::Codec)); // no UTF-8
        for (at, byte) in good.iter().enumerate() {
            for bit in 0..8 {
                // An error, or items that can be read.
                changed(at, byte ^ (1 << bit));
            }
        }
        for len in 0..64 {
            assert!(kind_of(&chain, &noise(len)).is_some());
        }
    }

    #[test]
    fn bytes_may_be_anything() {
        for name in ["vlen-bytes", "zarrs.vlen_v2"] {
            let chain = chain(
                json!([name, {"name": "gzip", "configuration": {"level": 1}}]),
                spec(&[2, 1], Content::Bytes),
            );
            let items = packed(&[b"\xff\0", &noise(1000)]);
            let stored = chain.encode(&items, ENCODING).unwrap().unwrap();
            assert_eq!(*chain.decode(Bytes::Borrowed(&stored)).unwrap(), items);
        }
    }

    #[test]
    fn a_count_of_the_chunk_alone_allocates_nothing() {
        let document = json!("vlen-bytes");
        let many = spec(&[u32::MAX.into()], Content::Bytes);
        let Ok(Stage::ArrayBytes(codec)) = compile(&Document::parse(&document).unwrap(), &many) else {
            unreachable!();
        };
        let error = codec
            .decode_with(Bytes::Borrowed(&[0xff; 4]), &Heap::default())
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Truncated);
        let too_many = spec(&[1 << 32], Content::Bytes);
        assert_eq!(
            compile_error(compile, &json!("vlen-bytes"), &too_many).kind(),
            Kind::Metadata
        );
    }

    #[test]
    fn data_types_that_do_not_fit() {
        for (json, spec) in [
            (json!("vlen-utf8"), spec(&[1], Content::Bytes)),
            (json!("vlen-bytes"), spec(&[1], Content::Utf8)),
            (json!("zarrs.vlen_v2"), spec_of(&[1], 4)),
            (
                json!({"name": "vlen-utf8", "configuration": {"level": 1}}),
                spec(&[1], Content::Utf8),
            ),
        ] {
            assert_eq!(compile_error(compile, &json, &spec).kind(), Kind::Metadata);
        }
        let none = |json: &Value, _: &ChunkSpec| Err(Error::unsupported(json.to_string()));
        let error = Chain::compile(&[json!("bytes")], spec(&[1], Content::Utf8), 0, &none)
            .err()
            .unwrap();
        assert!(error.to_string().contains("use vlen-utf8 or vlen-bytes"), "{error}");
    }

    /// Old items, new items and fill values come from three heaps into one chunk.
    #[test]
    fn a_part_is_laid_over_what_is_there() {
        let inner = json!([{"name": "transpose", "configuration": {"order": [1, 0]}}, "vlen-utf8"]);
        let shard = json!({"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 1], "codecs": inner,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"]}});
        for codecs in [json!(["vlen-utf8"]), inner.clone(), json!([shard])] {
            let chain = chain(codecs, spec(&[2, 2], Content::Utf8));
            let column = |text: &str, axis: u64, old: Option<&[u8]>| {
                let (heap, mut builder) = (Heap::default(), Builder::default());
                builder.push(text.as_bytes()).unwrap();
                let mut items = builder.finish(&heap).unwrap();
                let strided = |start, len| Axis::Strided {
                    start,
                    step: 1,
                    len,
                    out_stride: 0,
                };
                let piece = Piece::new(vec![strided(0, 2), strided(axis, 1)], 0);
                // SAFETY: one item, which goes to all places; it and its heap live until it is encoded.
                let buffer = unsafe { crate::copy::Buffer::new(items.as_mut_ptr()).with_heap(&heap) };
                chain
                    .encode_layers(old.map(Bytes::Borrowed), &[Layer { piece, buffer }], ENCODING)
                    .unwrap()
                    .unwrap()
            };
            let first = column("first", 0, None);
            assert_eq!(
                *chain.decode(Bytes::Borrowed(&first)).unwrap(),
                packed(&[b"first", b"fill", b"first", b"fill"])
            );
            let second = column("a longer one", 1, Some(&first));
            let both = packed(&[b"first", b"a longer one", b"first", b"a longer one"]);
            assert_eq!(*chain.decode(Bytes::Borrowed(&second)).unwrap(), both);
        }
    }
}
