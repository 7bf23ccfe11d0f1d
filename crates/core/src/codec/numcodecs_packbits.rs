//! `numcodecs.packbits`: booleans as the bits of bytes.
//!
//! <https://numcodecs.readthedocs.io/en/stable/filter/packbits.html>
//!
//! Names: `numcodecs.packbits`.
//!
//! ```json
//! {"name": "numcodecs.packbits"}
//! ```
//!
//! An array-to-array codec: behind it the chunk is one axis of uint8. Its first item says how many bits of the last one
//! are padding; the others hold eight booleans each, from the most significant bit down. The array-to-bytes codec
//! `packbits` fills bytes the other way.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::packbits::{MSB_FIRST, pack_bools, unpack_bools};
use super::{ArrayArrayCodec, Codec, Document, Expect, Stage};
use crate::dtype::{Kind, Layout, Scalar};
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

const NAME: &str = "numcodecs.packbits";

struct PackBits {
    count: usize,
    encoded: ChunkSpec,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    if spec.layout.kind != Kind::Real(Scalar::Bool) {
        return Err(Error::metadata(format!(
            "{NAME} takes the data type bool, not {}",
            spec.layout.kind.name()
        )));
    }
    let count = usize::try_from(spec.items()).map_err(|_| Error::memory(spec.nbytes()))?;
    let layout = Layout::new(Kind::Real(Scalar::Uint8), 1, Vec::new())?;
    let encoded = ChunkSpec::new(vec![1 + count.div_ceil(8) as u64], layout, &[0])?;
    Ok(Stage::ArrayArray(Arc::new(PackBits { count, encoded })))
}

impl PackBits {
    fn padding(&self) -> u8 {
        ((8 - self.count % 8) % 8) as u8
    }
}

impl Codec for PackBits {
    fn name(&self) -> &str {
        NAME
    }

    fn to_json(&self) -> Value {
        json!({"name": NAME})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayArrayCodec for PackBits {
    fn encoded_spec(&self) -> &ChunkSpec {
        &self.encoded
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.count).check(items.len())?;
        let mut data = scratch::take(1 + self.count.div_ceil(8))?;
        data[0] = self.padding();
        pack_bools::<MSB_FIRST>(&items, &mut data[1..]);
        Ok(data.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(1 + self.count.div_ceil(8)).check(data.len())?;
        if data[0] != self.padding() {
            return Err(Error::corrupt(format!(
                "{} bits of padding are stored where the chunk has {}",
                data[0],
                self.padding()
            )));
        }
        let mut items = scratch::take(self.count)?;
        unpack_bools::<MSB_FIRST>(&data[1..], &mut items);
        Ok(items.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{compile_error, noise};
    use crate::error::Kind as ErrorKind;

    fn spec(shape: &[u64], kind: Kind) -> ChunkSpec {
        let layout = Layout::of(kind).unwrap();
        let fill = vec![0; layout.item_nbytes];
        ChunkSpec::new(shape.to_vec(), layout, &fill).unwrap()
    }

    fn codec(shape: &[u64]) -> Arc<dyn ArrayArrayCodec> {
        let json = json!({"name": NAME});
        match compile(&Document::parse(&json).unwrap(), &spec(shape, Kind::Real(Scalar::Bool))).unwrap() {
            Stage::ArrayArray(codec) => codec,
            _ => unreachable!(),
        }
    }

    #[test]
    fn the_example_of_numcodecs() {
        let codec = codec(&[4]);
        let data = codec.encode(Bytes::Borrowed(&[1, 0, 0, 1])).unwrap();
        assert_eq!(&*data, [4, 144]);
        assert_eq!(&*codec.decode(data).unwrap(), [1, 0, 0, 1]);
        assert_eq!(codec.encoded_spec().shape, [2]);
        assert_eq!(codec.encoded_spec().layout.kind, Kind::Real(Scalar::Uint8));
    }

    #[test]
    fn every_length_and_every_true() {
        for count in 0..40 {
            let items: Vec<u8> = noise(count).iter().map(|byte| byte & 0x86).collect();
            let want: Vec<u8> = items.iter().map(|&byte| u8::from(byte != 0)).collect();
            let codec = codec(&[count as u64]);
            let data = codec.encode(Bytes::Borrowed(&items)).unwrap();
            assert_eq!(data.len(), 1 + count.div_ceil(8));
            assert_eq!(*codec.decode(data).unwrap(), want);
        }
    }

    #[test]
    fn wrong_bytes() {
        let codec = codec(&[3, 3]);
        let kind = |data: &[u8]| codec.decode(Bytes::Borrowed(data)).err().map(|e| e.kind());
        assert_eq!(kind(&[7, 1, 0]), None);
        assert_eq!(kind(&[]), Some(ErrorKind::Truncated));
        assert_eq!(kind(&[7, 1]), Some(ErrorKind::Truncated));
        assert_eq!(kind(&[7, 1, 0, 0]), Some(ErrorKind::Size));
        for padding in (0..=255).filter(|&n| n != 7) {
            assert_eq!(kind(&[padding, 1, 0]), Some(ErrorKind::Codec));
        }
    }

    #[test]
    fn only_booleans_and_no_configuration() {
        let json = json!({"name": NAME});
        let error = compile_error(compile, &json, &spec(&[8], Kind::Real(Scalar::Uint8)));
        assert!(error.detail().contains("uint8"), "{error}");
        let json = json!({"name": NAME, "configuration": {"level": 1}});
        let error = compile_error(compile, &json, &spec(&[8], Kind::Real(Scalar::Bool)));
        assert!(error.detail().contains("level"), "{error}");
    }
}
