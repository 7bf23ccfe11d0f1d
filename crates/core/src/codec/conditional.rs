//! `conditional`: other codecs, each applied to a chunk or not; a bitmask in front of the bytes says which.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/conditional>
//!
//! Names: `conditional`.
//!
//! ```json
//! {"name": "conditional", "configuration":
//!     {"codecs": [{"name": "zstd", "configuration": {"level": 5}}], "header_bits": 8}}
//! ```
//!
//! `codecs` are bytes-to-bytes codecs. Bit `i % 8` of byte `i / 8` stands for codec `i`. `header_bits` is a multiple of 8
//! and at least the number of codecs; where it is absent, the smallest that is. Bits without a codec must be 0.
//!
//! Which codecs are applied is the writer's choice: here those of fixed size (checksums, a shuffle), and the others where
//! they make the bytes fewer.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{BytesBytesCodec, Codec, Document, Expect, Resolve, Stage};
use crate::error::{Error, Result};
use crate::limits::MAX_CODEC_DEPTH;
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

const MAX_HEADER_BITS: i64 = 1 << 16;

struct Conditional {
    codecs: Vec<Arc<dyn BytesBytesCodec>>,
    header_nbytes: usize,
    /// As the document has it.
    header_bits: Option<Value>,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec, depth: usize, resolve: Resolve<'_>) -> Result<Stage> {
    document.only(&["codecs", "header_bits"])?;
    if depth >= MAX_CODEC_DEPTH {
        return Err(Error::limit(format!("codecs nested more than {MAX_CODEC_DEPTH} deep")));
    }
    let documents = document
        .get("codecs")
        .and_then(Value::as_array)
        .ok_or_else(|| document.invalid("codecs", "a list of codecs"))?;
    let count = documents.len();
    let least = count.next_multiple_of(8) as i64;
    let header_bits = document.integer("header_bits", count as i64, MAX_HEADER_BITS, Some(least))?;
    if header_bits % 8 != 0 {
        return Err(document.invalid("header_bits", "a multiple of 8"));
    }
    let codecs = documents.iter().enumerate().map(|(position, json)| {
        compile_inner(json, spec, depth + 1, resolve)
            .map_err(|error| error.under(&format!("/configuration/codecs/{position}")))
    });
    Ok(Stage::BytesBytes(Arc::new(Conditional {
        codecs: codecs.collect::<Result<_>>()?,
        header_nbytes: (header_bits / 8) as usize,
        header_bits: document.get("header_bits").cloned(),
    })))
}

fn compile_inner(
    json: &Value,
    spec: &ChunkSpec,
    depth: usize,
    resolve: Resolve<'_>,
) -> Result<Arc<dyn BytesBytesCodec>> {
    let stage = super::compile(json, spec, depth, resolve)?;
    let name = stage.codec().name().to_owned();
    match stage {
        Stage::BytesBytes(codec) if codec.suspends() => Err(Error::unsupported(
            "a codec inside \"conditional\" must be a built-in one, and this is written in Python",
        )),
        Stage::BytesBytes(codec) => Ok(codec),
        _ => Err(Error::metadata("only bytes-to-bytes codecs can stand inside \"conditional\"").in_codec(&name, 0)),
    }
}

impl Conditional {
    /// Which codecs were applied, of the header.
    fn applied(&self, header: &[u8]) -> Result<Vec<&dyn BytesBytesCodec>> {
        let is_set = |i: usize| header[i / 8] >> (i % 8) & 1 == 1;
        if (self.codecs.len()..8 * header.len()).any(is_set) {
            return Err(Error::corrupt(format!(
                "a bit is set behind those of the {} codecs",
                self.codecs.len()
            )));
        }
        let codecs = self.codecs.iter().enumerate();
        Ok(codecs.filter(|(i, _)| is_set(*i)).map(|(_, codec)| &**codec).collect())
    }
}

/// What the decoder of a codec behind `codec` may give, if `codec` itself may give `expect`.
fn expect_behind(codec: &dyn BytesBytesCodec, expect: Expect) -> Expect {
    let fixed = match expect {
        Expect::Exactly(nbytes) => codec.encoded_nbytes(nbytes as u64),
        Expect::AtMost(_) => None,
    };
    let in_memory = |nbytes: u64| usize::try_from(nbytes).unwrap_or(usize::MAX);
    match fixed {
        Some(nbytes) => Expect::Exactly(in_memory(nbytes)),
        None => Expect::AtMost(in_memory(codec.max_encoded_nbytes(expect.limit() as u64))),
    }
}

impl Codec for Conditional {
    fn name(&self) -> &str {
        "conditional"
    }

    fn to_json(&self) -> Value {
        let codecs: Vec<Value> = self.codecs.iter().map(|codec| codec.to_json()).collect();
        let mut configuration = json!({"codecs": codecs});
        if let Some(header_bits) = &self.header_bits {
            configuration["header_bits"] = header_bits.clone();
        }
        json!({"name": "conditional", "configuration": configuration})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Conditional {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        let applied = self
            .codecs
            .iter()
            .fold(nbytes, |nbytes, codec| codec.max_encoded_nbytes(nbytes));
        applied.max(nbytes).saturating_add(self.header_nbytes as u64)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let mut header = vec![0; self.header_nbytes];
        let mut data = data;
        for (i, codec) in self.codecs.iter().enumerate() {
            let encoded = codec.encode(Bytes::Borrowed(&data))?;
            if codec.encoded_nbytes(data.len() as u64).is_some() || encoded.len() < data.len() {
                header[i / 8] |= 1 << (i % 8);
                data = encoded.into_owned()?;
            }
        }
        data.with_head(&header)
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        let len = data.len();
        let Some((header, _)) = data.split_at_checked(self.header_nbytes) else {
            return Err(Error::truncated(format!(
                "{len} bytes are too few for a bitmask of {}",
                self.header_nbytes
            )));
        };
        let applied = self.applied(header)?;
        let mut expects = vec![expect];
        for codec in &applied {
            let last = expects.last().copied().unwrap_or(expect);
            expects.push(expect_behind(*codec, last));
        }
        let mut data = data.slice(self.header_nbytes, len);
        // What the last codec may be given is known too: a size that cannot be right is found before any work.
        expects.pop().map_or(Ok(()), |expect| expect.check(data.len()))?;
        for (codec, expect) in applied.iter().zip(expects).rev() {
            data = codec
                .decode(data, expect)
                .map_err(|error| error.in_codec(codec.name(), 0))?;
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, noise, ramp, roundtrip, spec_of};
    use crate::error::Kind;

    const NONE: Resolve<'_> = &|json, _| Err(Error::unsupported(format!("{json}")));

    fn compiled(configuration: &Value, depth: usize) -> Result<Arc<dyn BytesBytesCodec>> {
        let json = json!({"name": "conditional", "configuration": configuration});
        match super::super::compile(&json, &spec_of(&[9], 4), depth, NONE)? {
            Stage::BytesBytes(codec) => Ok(codec),
            _ => unreachable!(),
        }
    }

    fn codec(configuration: &Value) -> Arc<dyn BytesBytesCodec> {
        compiled(configuration, 0).unwrap()
    }

    fn shuffle_zstd() -> Value {
        json!({"codecs": ["numcodecs.shuffle", {"name": "zstd", "configuration": {"level": 1, "checksum": true}}]})
    }

    #[test]
    fn codecs_are_applied_where_they_help() {
        let codec = codec(&shuffle_zstd());
        let easy = roundtrip(&*codec, &ramp(40_000));
        assert_eq!(easy[0], 0b11);
        assert!(easy.len() < 8000, "{}", easy.len());
        let hard = roundtrip(&*codec, &noise(4000));
        assert_eq!((hard[0], hard.len()), (0b01, 4001));
        assert_eq!(roundtrip(&*codec, b""), [0b01]);
    }

    #[test]
    fn a_checksum_is_always_applied() {
        let codec = codec(&json!({"codecs": ["crc32c"], "header_bits": 16}));
        let encoded = roundtrip(&*codec, b"123456789");
        assert_eq!(encoded, b"\x01\x00123456789\x83\x92\x06\xe3");
        assert_eq!(codec.encoded_nbytes(9), None);
    }

    #[test]
    fn every_mask_of_another_writer() {
        let codecs = ["numcodecs.adler32", "numcodecs.lz4", "crc32c"];
        let codec = codec(&json!({"codecs": codecs}));
        let data = ramp(400);
        for mask in 0..8_u8 {
            let mut stored = data.clone();
            for (i, name) in codecs.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1) {
                let _ = i;
                let Stage::BytesBytes(one) = super::super::compile(&json!(name), &spec_of(&[9], 4), 0, NONE).unwrap()
                else {
                    unreachable!()
                };
                stored = one.encode(Bytes::Borrowed(&stored)).unwrap().to_vec();
            }
            stored.insert(0, mask);
            for expect in [Expect::Exactly(400), Expect::AtMost(400), Expect::AtMost(1 << 40)] {
                assert!(
                    *codec.decode(Bytes::Borrowed(&stored), expect).unwrap() == data,
                    "{mask}"
                );
            }
            for expect in [Expect::Exactly(399), Expect::AtMost(399)] {
                let error = codec.decode(Bytes::Borrowed(&stored), expect).err().unwrap();
                assert_eq!(error.kind(), Kind::Size, "{mask}");
            }
        }
    }

    #[test]
    fn many_codecs_and_none() {
        let many: Vec<_> = (0..9).map(|_| json!("crc32c")).collect();
        let encoded = roundtrip(&*codec(&json!({"codecs": many})), b"ab");
        assert_eq!((&encoded[..2], encoded.len()), (&[0xff, 0x01][..], 2 + 2 + 9 * 4));
        assert_eq!(roundtrip(&*codec(&json!({"codecs": []})), b"ab"), b"ab");
        assert_eq!(
            roundtrip(&*codec(&json!({"codecs": [], "header_bits": 8})), b"ab"),
            b"\0ab"
        );
    }

    #[test]
    fn bits_without_a_codec_must_be_zero() {
        let codec = codec(&json!({"codecs": ["crc32c"], "header_bits": 16}));
        for header in [[0b10, 0], [0b1000_0000, 0], [0, 1]] {
            let stored = [&header[..], b"ab"].concat();
            let error = codec
                .decode(Bytes::Borrowed(&stored), Expect::Exactly(2))
                .err()
                .unwrap();
            assert_eq!(error.kind(), Kind::Codec);
        }
        for len in 0..2 {
            let error = codec
                .decode(Bytes::Borrowed(&[0, 0][..len]), Expect::AtMost(9))
                .err()
                .unwrap();
            assert_eq!(error.kind(), Kind::Truncated);
        }
    }

    #[test]
    fn damage_is_the_inner_codecs_to_find() {
        let codec = codec(&shuffle_zstd());
        for data in [ramp(400), noise(60)] {
            let good = codec.encode(Bytes::Borrowed(&data)).unwrap().to_vec();
            hostile::torture(&*codec, &good, data.len());
        }
        let mut bad = codec.encode(Bytes::Borrowed(&ramp(400))).unwrap().to_vec();
        *bad.last_mut().unwrap() ^= 1;
        let error = codec.decode(Bytes::Borrowed(&bad), Expect::Exactly(400)).err().unwrap();
        assert_eq!((error.kind(), error.codec()), (Kind::Checksum, Some("zstd")));
    }

    #[test]
    fn the_document_is_filled_in() {
        let codec = codec(&shuffle_zstd());
        let inner = json!({"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}});
        assert_eq!(codec.to_json()["configuration"]["codecs"][0], inner);
        assert!(codec.to_json()["configuration"].get("header_bits").is_none());
    }

    #[test]
    fn wrong_configuration_says_where() {
        for (configuration, kind, word, place) in [
            (json!({}), Kind::Metadata, "codecs", "/configuration"),
            (
                json!({"codecs": "crc32c"}),
                Kind::Metadata,
                "codecs",
                "/configuration/codecs",
            ),
            (
                json!({"codecs": ["crc32c"], "header_bits": 0}),
                Kind::Metadata,
                "header_bits",
                "/configuration/header_bits",
            ),
            (
                json!({"codecs": ["crc32c"], "header_bits": 12}),
                Kind::Metadata,
                "multiple of 8",
                "/configuration/header_bits",
            ),
            (
                json!({"codecs": [], "header_bits": 1 << 17}),
                Kind::Metadata,
                "header_bits",
                "/configuration/header_bits",
            ),
            (
                json!({"codecs": ["crc32c", "bytes"]}),
                Kind::Metadata,
                "",
                "/configuration/codecs/1",
            ),
            (
                json!({"codecs": ["crc32c", "no"]}),
                Kind::Unsupported,
                "no",
                "/configuration/codecs/1",
            ),
        ] {
            let error = compiled(&configuration, 0).err().unwrap();
            assert_eq!((error.kind(), error.place()), (kind, place), "{error}");
            assert!(error.detail().contains(word), "{error}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let mut configuration = json!({"codecs": []});
        for _ in 0..100 {
            configuration = json!({"codecs": [{"name": "conditional", "configuration": configuration}]});
        }
        assert_eq!(compiled(&configuration, 0).err().unwrap().kind(), Kind::Limit);
        assert!(compiled(&json!({"codecs": []}), MAX_CODEC_DEPTH - 1).is_ok());
    }
}
