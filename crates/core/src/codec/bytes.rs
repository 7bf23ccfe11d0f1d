//! `bytes`: the items one after another in C order, each component in the byte order that is named.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/bytes/index.html>
//!
//! Names: `bytes`.
//!
//! ```json
//! {"name": "bytes", "configuration": {"endian": "little"}}
//! ```
//!
//! `endian` ("little" or "big") is required where the data type has components of more than one byte, and optional
//! otherwise.
//!
//! Data types of less than eight bits take one byte. Its upper bits are ignored when reading and clear when written, as
//! tensorstore writes them; those of signed integers too. Booleans are stored as 0 and 1, and any other byte reads as 1:
//! NumPy's arrays of booleans must hold nothing else. Looking for such bytes costs one pass over a block in the cache.
//! Fields of structures are passed on as they are.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ArrayBytesCodec, Codec, Document, Expect, Stage};
use crate::dtype::{Layout, clear_unused_bits, has_unused_bits, swap_items};
use crate::error::{Error, Result};
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

impl Endian {
    const NATIVE: Endian = if cfg!(target_endian = "little") {
        Endian::Little
    } else {
        Endian::Big
    };

    fn name(self) -> &'static str {
        match self {
            Endian::Little => "little",
            Endian::Big => "big",
        }
    }
}

struct BytesCodec {
    /// As the document has it: absent stays absent.
    endian: Option<Endian>,
    swap: bool,
    layout: Layout,
    nbytes: usize,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["endian"])?;
    let endian = parse_endian(document)?;
    let ordered = spec.layout.has_byte_order();
    if ordered && endian.is_none() {
        return Err(document.invalid("endian", "\"little\" or \"big\", as items have more than one byte"));
    }
    let swap = ordered && endian != Some(Endian::NATIVE);
    let nbytes = usize::try_from(spec.nbytes()).map_err(|_| Error::memory(spec.nbytes()))?;
    Ok(Stage::ArrayBytes(Arc::new(BytesCodec {
        endian,
        swap,
        layout: spec.layout.clone(),
        nbytes,
    })))
}

fn parse_endian(document: &Document<'_>) -> Result<Option<Endian>> {
    match document.get("endian") {
        None => Ok(None),
        Some(Value::String(name)) if name == "little" => Ok(Some(Endian::Little)),
        Some(Value::String(name)) if name == "big" => Ok(Some(Endian::Big)),
        Some(_) => Err(document.invalid("endian", "\"little\" or \"big\"")),
    }
}

impl BytesCodec {
    /// Both directions: the same number of bytes, swapped where the stored order is not ours.
    fn pass<'a>(&self, bytes: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.nbytes).check(bytes.len())?;
        if self.swap {
            return bytes.changed(|items| swap_items(items, &self.layout));
        }
        canonical(bytes, &self.layout)
    }
}

/// Items without the bits that their data type does not use. Whoever moves plain items past `decode` calls this.
pub fn canonical<'a>(items: Bytes<'a>, layout: &Layout) -> Result<Bytes<'a>> {
    if !has_unused_bits(&items, layout.kind) {
        return Ok(items);
    }
    items.changed(|items| clear_unused_bits(items, layout.kind))
}

impl Codec for BytesCodec {
    fn name(&self) -> &str {
        "bytes"
    }

    fn to_json(&self) -> Value {
        match self.endian {
            Some(endian) => json!({"name": "bytes", "configuration": {"endian": endian.name()}}),
            None => json!({"name": "bytes"}),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayBytesCodec for BytesCodec {
    fn encoded_nbytes(&self) -> Option<u64> {
        Some(self.nbytes as u64)
    }

    fn max_encoded_nbytes(&self) -> u64 {
        self.nbytes as u64
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        self.pass(items)
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        self.pass(data)
    }

    fn plain(&self) -> Option<bool> {
        Some(self.swap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{compile_error, spec_of};
    use crate::dtype::{Kind as Items, SwapRun};
    use crate::error::Kind;
    use crate::scratch;

    fn codec(configuration: Value, spec: &ChunkSpec) -> Arc<dyn ArrayBytesCodec> {
        let json = json!({"name": "bytes", "configuration": configuration});
        match compile(&Document::parse(&json).unwrap(), spec).unwrap() {
            Stage::ArrayBytes(codec) => codec,
            _ => unreachable!(),
        }
    }

    #[test]
    fn known_bytes_in_both_orders() {
        let items: Vec<u8> = [1u32, 0x0102_0304].iter().flat_map(|n| n.to_ne_bytes()).collect();
        for (endian, stored) in [("little", [1, 0, 0, 0, 4, 3, 2, 1]), ("big", [0, 0, 0, 1, 1, 2, 3, 4])] {
            let codec = codec(json!({"endian": endian}), &spec_of(&[2], 4));
            assert_eq!(&*codec.encode(Bytes::Borrowed(&items)).unwrap(), stored);
            assert_eq!(&*codec.decode(Bytes::Borrowed(&stored)).unwrap(), items);
            assert_eq!(codec.encoded_nbytes(), Some(8));
            assert_eq!(codec.plain(), Some((endian == "big") == cfg!(target_endian = "little")));
            assert_eq!(
                codec.to_json(),
                json!({"name": "bytes", "configuration": {"endian": endian}})
            );
        }
    }

    #[test]
    fn native_order_copies_nothing_and_a_scratch_is_swapped_in_place() {
        let native = codec(json!({"endian": Endian::NATIVE.name()}), &spec_of(&[3], 2));
        let data = [1u8, 2, 3, 4, 5, 6];
        assert_eq!(native.decode(Bytes::Borrowed(&data)).unwrap().as_ptr(), data.as_ptr());

        let other = if Endian::NATIVE == Endian::Little {
            "big"
        } else {
            "little"
        };
        let swapping = codec(json!({"endian": other}), &spec_of(&[3], 2));
        let mut scratch = scratch::take(7).unwrap();
        scratch.copy_from_slice(&[9, 1, 2, 3, 4, 5, 6]);
        let at = scratch.as_ptr();
        // The view starts one byte in: what is in front stays as it is.
        let out = swapping.decode(Bytes::Scratch(scratch, 1..7)).unwrap();
        assert_eq!(&*out, [2, 1, 4, 3, 6, 5]);
        assert_eq!(out.as_ptr(), at.wrapping_add(1));
    }

    #[test]
    fn a_structure_swaps_field_by_field() {
        let runs = vec![SwapRun {
            offset: 1,
            nbytes: 2,
            count: 1,
        }];
        let spec = ChunkSpec::new(vec![2], Layout::new(Items::Opaque, 3, runs).unwrap(), &[0; 3]).unwrap();
        let other = if Endian::NATIVE == Endian::Little {
            "big"
        } else {
            "little"
        };
        let out = codec(json!({"endian": other}), &spec)
            .encode(Bytes::Borrowed(&[1, 2, 3, 4, 5, 6]))
            .unwrap();
        assert_eq!(&*out, [1, 3, 2, 4, 6, 5]);
    }

    #[test]
    fn one_byte_items_need_no_order_and_keep_what_was_given() {
        let spec = spec_of(&[4], 1);
        assert_eq!(codec(json!({}), &spec).to_json(), json!({"name": "bytes"}));
        let given = codec(json!({"endian": "big"}), &spec);
        assert_eq!(given.plain(), Some(false));
        assert_eq!(
            given.to_json(),
            json!({"name": "bytes", "configuration": {"endian": "big"}})
        );
    }

    #[test]
    fn upper_bits_are_cleared_both_ways() {
        for (name, given, wanted) in [
            ("int4", [0x0f, 0xff, 0x80, 0x17], [15, 15, 0, 7]),
            ("uint2", [0x04, 0xff, 0x80, 0x03], [0, 3, 0, 3]),
            ("float6_e3m2fn", [0x40, 0xff, 0x3f, 0x80], [0, 63, 63, 0]),
            ("bool", [0, 1, 2, 255], [0, 1, 1, 1]),
            ("int8", [0, 1, 2, 255], [0, 1, 2, 255]),
        ] {
            let layout = Layout::of(Items::parse(name).unwrap()).unwrap();
            let codec = codec(json!({}), &ChunkSpec::new(vec![4], layout, &[0]).unwrap());
            assert_eq!(&*codec.decode(Bytes::Borrowed(&given)).unwrap(), wanted, "{name}");
            assert_eq!(&*codec.encode(Bytes::Borrowed(&given)).unwrap(), wanted, "{name}");
            // Nothing is copied where there is nothing to clear.
            assert_eq!(
                codec.decode(Bytes::Borrowed(&wanted)).unwrap().as_ptr(),
                wanted.as_ptr()
            );
        }
    }

    #[test]
    fn wrong_lengths() {
        let codec = codec(json!({"endian": "big"}), &spec_of(&[2], 4));
        for (len, kind) in [
            (0, Kind::Truncated),
            (7, Kind::Truncated),
            (9, Kind::Size),
            (16, Kind::Size),
        ] {
            assert_eq!(codec.decode(Bytes::Borrowed(&vec![0; len])).err().unwrap().kind(), kind);
        }
    }

    #[test]
    fn empty_and_scalar_chunks() {
        assert_eq!(
            codec(json!({"endian": "big"}), &spec_of(&[0, 3], 8))
                .encode(Bytes::Borrowed(&[]))
                .unwrap()
                .len(),
            0
        );
        assert_eq!(
            codec(json!({"endian": "big"}), &spec_of(&[], 8)).encoded_nbytes(),
            Some(8)
        );
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        let spec = spec_of(&[2], 4);
        for wrong in [
            json!({"endian": "native"}),
            json!({"endian": null}),
            json!({"endian": 1}),
            json!({}),
        ] {
            let error = compile_error(compile, &json!({"name": "bytes", "configuration": wrong}), &spec);
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains("endian"), "{error}");
        }
        let error = compile_error(compile, &json!({"name": "bytes", "configuration": {"order": 1}}), &spec);
        assert!(error.detail().contains("order"), "{error}");
    }
}
