//! `numcodecs.shuffle`: the first bytes of all elements, then the second ones, and so on.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.shuffle>
//!
//! Names: `numcodecs.shuffle`.
//!
//! ```json
//! {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}}
//! ```
//!
//! Where `elementsize` is absent or null it is the item's size; with 1 or less nothing is done. Bytes that are no whole
//! number of elements are an error, as in numcodecs.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

const NAME: &str = "numcodecs.shuffle";

struct Shuffle {
    element_nbytes: i64,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["elementsize"])?;
    let element_nbytes = match document.get("elementsize") {
        None | Some(Value::Null) => spec.layout.item_nbytes as i64,
        Some(_) => document.integer("elementsize", i32::MIN.into(), i32::MAX.into(), None)?,
    };
    Ok(Stage::BytesBytes(Arc::new(Shuffle { element_nbytes })))
}

impl Shuffle {
    /// Both directions: `direction` is told the input, the output and the element's size.
    fn pass<'a>(&self, data: Bytes<'a>, direction: fn(&[u8], &mut [u8], usize)) -> Result<Bytes<'a>> {
        let element_nbytes = match usize::try_from(self.element_nbytes) {
            Ok(nbytes) if nbytes > 1 => nbytes,
            _ => return Ok(data),
        };
        if !data.len().is_multiple_of(element_nbytes) {
            return Err(Error::corrupt(format!(
                "{} bytes are no whole number of elements of {element_nbytes}",
                data.len()
            )));
        }
        let mut out = scratch::take(data.len())?;
        direction(&data, &mut out, element_nbytes);
        Ok(out.into())
    }
}

impl Codec for Shuffle {
    fn name(&self) -> &str {
        NAME
    }

    fn to_json(&self) -> Value {
        json!({"name": NAME, "configuration": {"elementsize": self.element_nbytes}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Shuffle {
    fn encoded_nbytes(&self, nbytes: u64) -> Option<u64> {
        Some(nbytes)
    }

    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        nbytes
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        self.pass(data, shuffle)
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        expect.check(data.len())?;
        self.pass(data, unshuffle)
    }
}

/// Elements at once: what is read and written of them stays in the first-level cache.
const BLOCK: usize = 256;

/// Calls one of two functions with the element's size, as a constant where it is a usual one.
macro_rules! by_size {
    ($function:ident, $data:expr, $out:expr, $nbytes:expr) => {
        match $nbytes {
            2 => $function($data, $out, 2),
            4 => $function($data, $out, 4),
            8 => $function($data, $out, 8),
            16 => $function($data, $out, 16),
            nbytes => $function($data, $out, nbytes),
        }
    };
}

fn shuffle(data: &[u8], out: &mut [u8], nbytes: usize) {
    by_size!(shuffle_by, data, out, nbytes);
}

fn unshuffle(data: &[u8], out: &mut [u8], nbytes: usize) {
    by_size!(unshuffle_by, data, out, nbytes);
}

#[inline(always)]
fn shuffle_by(data: &[u8], out: &mut [u8], nbytes: usize) {
    let count = data.len() / nbytes;
    for (number, elements) in data.chunks(BLOCK * nbytes).enumerate() {
        for byte in 0..nbytes {
            let plane = &mut out[byte * count + number * BLOCK..][..elements.len() / nbytes];
            for (to, element) in plane.iter_mut().zip(elements.chunks_exact(nbytes)) {
                *to = element[byte];
            }
        }
    }
}

#[inline(always)]
fn unshuffle_by(data: &[u8], out: &mut [u8], nbytes: usize) {
    let count = data.len() / nbytes;
    for (number, elements) in out.chunks_mut(BLOCK * nbytes).enumerate() {
        for byte in 0..nbytes {
            let plane = &data[byte * count + number * BLOCK..][..elements.len() / nbytes];
            for (from, element) in plane.iter().zip(elements.chunks_exact_mut(nbytes)) {
                element[byte] = *from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, roundtrip, spec_of};
    use crate::error::Kind;

    fn codec(elementsize: i64) -> Arc<dyn BytesBytesCodec> {
        let json = json!({"name": NAME, "configuration": {"elementsize": elementsize}});
        compile_bytes_bytes(compile, &json, &spec_of(&[1], 1))
    }

    #[test]
    fn bytes_of_one_weight_stand_together() {
        for elementsize in [2, 3, 4, 7, 8, 16, 100] {
            for count in [0, 1, 2, 255, 256, 257, 1000] {
                let data = noise(elementsize * count);
                let encoded = roundtrip(&*codec(elementsize as i64), &data);
                for (i, byte) in data.iter().enumerate() {
                    assert_eq!(encoded[i % elementsize * count + i / elementsize], *byte);
                }
            }
        }
    }

    #[test]
    fn elements_of_a_byte_or_less_stay() {
        for elementsize in [i64::from(i32::MIN), -1, 0, 1] {
            assert_eq!(roundtrip(&*codec(elementsize), b"abc"), b"abc");
        }
    }

    #[test]
    fn only_whole_elements() {
        for len in [1, 3, 5, 9] {
            let data = noise(len);
            let encoded = codec(4).encode(Bytes::Borrowed(&data)).err().unwrap();
            let decoded = codec(4)
                .decode(Bytes::Borrowed(&data), Expect::Exactly(len))
                .err()
                .unwrap();
            assert_eq!([encoded.kind(), decoded.kind()], [Kind::Codec; 2]);
        }
        // What is shorter than an element is none, and nothing is no element at all.
        assert!(codec(1 << 30).encode(Bytes::Borrowed(b"abcd")).is_err());
        assert_eq!(roundtrip(&*codec(1 << 30), b""), b"");
    }

    #[test]
    fn the_size_of_the_item_where_none_is_named() {
        for configuration in [json!({}), json!({"elementsize": null})] {
            let json = json!({"name": NAME, "configuration": configuration});
            let codec = compile_bytes_bytes(compile, &json, &spec_of(&[1], 8));
            assert_eq!(
                codec.to_json(),
                json!({"name": NAME, "configuration": {"elementsize": 8}})
            );
        }
        assert_eq!(codec(4).encoded_nbytes(96), Some(96));
    }

    #[test]
    fn other_lengths_are_refused() {
        let good = codec(4).encode(Bytes::Borrowed(&noise(40))).unwrap().to_vec();
        // A shuffle cannot see damage; all it can see is the length.
        let decode = |data: &[u8]| codec(4).decode(Bytes::Borrowed(data), Expect::Exactly(40)).is_ok();
        assert!((0..40).all(|cut| !decode(&good[..cut])));
        hostile::torture(&*codec(4), &good, 40);
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for (member, wrong) in [
            ("elementsize", json!("4")),
            ("elementsize", json!(1_i64 << 31)),
            ("size", json!(4)),
        ] {
            let json = json!({"name": NAME, "configuration": {member: wrong}});
            let error = compile_error(compile, &json, &spec_of(&[1], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
    }
}
