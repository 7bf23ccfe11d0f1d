//! `numcodecs.zlib`: DEFLATE in the zlib format.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.zlib>, RFC 1950
//!
//! Names: `numcodecs.zlib`.
//!
//! ```json
//! {"name": "numcodecs.zlib", "configuration": {"level": 1}}
//! ```
//!
//! `level` is 0 (stored) to 9, -1 for 6, and 1 where it is absent. There is one stream and nothing behind it; a stream
//! that needs a preset dictionary is an error, as nobody says which.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::deflate::{self, Decompressor, Format, adler32};
use super::output::Output;
use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::limits::{max_compressed_nbytes, verify_checksums};
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

const NAME: &str = "numcodecs.zlib";
const FOOTER_NBYTES: usize = 4;

struct Zlib {
    level: i32,
}

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["level"])?;
    let level = deflate::numcodecs_level(document)?;
    Ok(Stage::BytesBytes(Arc::new(Zlib { level })))
}

impl Codec for Zlib {
    fn name(&self) -> &str {
        NAME
    }

    fn to_json(&self) -> Value {
        json!({"name": NAME, "configuration": {"level": self.level}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Zlib {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        deflate::compress(&data, self.level, Format::Zlib)
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        decode_stream(&data, expect, verify_checksums())
    }
}

fn decode_stream(data: &[u8], expect: Expect, verify: bool) -> Result<Bytes<'static>> {
    let (&header, body) = data.split_first_chunk::<2>().ok_or_else(cut_short)?;
    check_header(header)?;
    let deflated_end = body.len().checked_sub(FOOTER_NBYTES).ok_or_else(cut_short)?;
    let mut decompressor = Decompressor::take()?;
    let mut output = Output::new(expect, data.len())?;
    let (read, written) = decompressor.inflate(&body[..deflated_end], &mut output)?;
    decompressor.put_back();
    let footer = <[u8; FOOTER_NBYTES]>::try_from(&body[read..])
        .map_err(|_| Error::corrupt("there are bytes behind the zlib stream"))?;
    let decoded = output.advance(written);
    if verify {
        let (stored, computed) = (u32::from_be_bytes(footer), adler32(decoded));
        if computed != stored {
            return Err(Error::checksum(format!(
                "the checksum is {computed:#010x}, stored is {stored:#010x}"
            )));
        }
    }
    output.finish()
}

fn check_header([method, flags]: [u8; 2]) -> Result<()> {
    const PRESET_DICTIONARY: u8 = 1 << 5;
    let whole = u16::from_be_bytes([method, flags]);
    // The method and, in the upper half, the window: at most 2^(7 + 8) bytes.
    if method & 0xf != 8 || method >> 4 > 7 || !whole.is_multiple_of(31) {
        return Err(Error::corrupt(format!("{whole:04x} does not start a zlib stream")));
    }
    if flags & PRESET_DICTIONARY != 0 {
        return Err(Error::corrupt("the zlib stream needs a preset dictionary"));
    }
    Ok(())
}

fn cut_short() -> Error {
    Error::truncated("the zlib stream is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
    use crate::error::Kind;

    fn codec(level: i32) -> Arc<dyn BytesBytesCodec> {
        let json = json!({"name": NAME, "configuration": {"level": level}});
        compile_bytes_bytes(compile, &json, &spec_of(&[1], 1))
    }

    fn decode(data: &[u8], expect: Expect) -> Result<Vec<u8>> {
        codec(1).decode(Bytes::Borrowed(data), expect).map(|out| out.to_vec())
    }

    /// `python3 -c "import zlib; print(zlib.compress(b'hello', 9).hex())"`
    const HELLO: [u8; 13] = [
        0x78, 0xda, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06, 0x2c, 0x02, 0x15,
    ];

    #[test]
    fn all_levels() {
        for level in -1..=9 {
            for data in [vec![], vec![7], noise(5000), ramp(300_000)] {
                roundtrip(&*codec(level), &data);
            }
        }
        let data = ramp(100_000);
        assert_eq!(roundtrip(&*codec(-1), &data), roundtrip(&*codec(6), &data));
        assert_eq!(
            codec(-1).to_json(),
            json!({"name": NAME, "configuration": {"level": -1}})
        );
        let absent = compile_bytes_bytes(compile, &json!({"name": NAME}), &spec_of(&[1], 1));
        assert_eq!(absent.to_json(), codec(1).to_json());
    }

    #[test]
    fn a_stream_of_another_library() {
        assert_eq!(decode(&HELLO, Expect::Exactly(5)).unwrap(), b"hello");
        assert_eq!(decode(&HELLO, Expect::AtMost(1 << 40)).unwrap(), b"hello");
    }

    #[test]
    fn kinds_of_damage() {
        let kind = |data: &[u8]| decode(data, Expect::Exactly(5)).unwrap_err().kind();
        assert_eq!([kind(&[]), kind(&HELLO[..1]), kind(&HELLO[..5])], [Kind::Truncated; 3]);
        let mut bad = HELLO;
        bad[12] ^= 1;
        assert_eq!(kind(&bad), Kind::Checksum);
        assert_eq!(&*decode_stream(&bad, Expect::Exactly(5), false).unwrap(), b"hello");
        // Right sums of the header, but another method, too large a window, a dictionary.
        for header in [[0x77, 0x09], [0x88, 0x1c], [0x78, 0xbb]] {
            assert!(u16::from_be_bytes(header).is_multiple_of(31));
            assert_eq!(kind(&[&header, &HELLO[2..]].concat()), Kind::Codec);
        }
        assert_eq!(kind(&[0x78, 0xdb, 3, 0, 0, 0, 0, 1]), Kind::Codec);
        for tail in [&[0][..], &HELLO] {
            assert_eq!(kind(&[&HELLO, tail].concat()), Kind::Codec);
        }
    }

    #[test]
    fn damage_anywhere_is_found() {
        for level in [0, 6] {
            for data in [ramp(600), noise(60)] {
                let good = codec(level).encode(Bytes::Borrowed(&data)).unwrap().to_vec();
                let accepted = hostile::torture(&*codec(level), &good, data.len());
                // The level and window that the header tells, and the padding bits of the last byte, are checked by
                // nothing.
                assert!(accepted <= 14, "{accepted}");
            }
        }
    }

    #[test]
    fn a_bomb_costs_its_limit_and_no_more() {
        let bomb = codec(9).encode(Bytes::Borrowed(&vec![0; 64 << 20])).unwrap().to_vec();
        for expect in [Expect::Exactly(1000), Expect::AtMost(1000), Expect::AtMost(1 << 20)] {
            assert_eq!(decode(&bomb, expect).unwrap_err().kind(), Kind::Size);
        }
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for (member, wrong) in [("level", json!(10)), ("level", json!(-2)), ("wbits", json!(15))] {
            let json = json!({"name": NAME, "configuration": {member: wrong}});
            let error = compile_error(compile, &json, &spec_of(&[1], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
    }
}
