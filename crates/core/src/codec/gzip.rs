//! `gzip`: DEFLATE in the gzip file format.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/gzip/index.html>, RFC 1952
//!
//! Names: `gzip`; `numcodecs.gzip`, whose `level` may be absent (1) or -1 (6).
//!
//! ```json
//! {"name": "gzip", "configuration": {"level": 5}}
//! ```
//!
//! `level` is 0 (stored) to 9. One member is written, without name and time, so that equal chunks have equal bytes.
//! Several members are read, as the RFC asks; anything else behind a member, zeros too, is an error.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::deflate::{self, Decompressor, Format, crc32};
use super::output::Output;
use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::limits::{max_compressed_nbytes, verify_checksums};
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

struct Gzip {
    name: &'static str,
    level: i32,
}

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["level"])?;
    let level = document.integer("level", 0, 9, None)? as i32;
    Ok(Stage::BytesBytes(Arc::new(Gzip { name: "gzip", level })))
}

/// `numcodecs.gzip`: the same with a default level.
pub fn compile_numcodecs(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["level"])?;
    Ok(Stage::BytesBytes(Arc::new(Gzip {
        name: "numcodecs.gzip",
        level: deflate::numcodecs_level(document)?,
    })))
}

impl Codec for Gzip {
    fn name(&self) -> &str {
        self.name
    }

    fn to_json(&self) -> Value {
        json!({"name": self.name, "configuration": {"level": self.level}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Gzip {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        deflate::compress(&data, self.level, Format::Gzip)
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        decode_members(&data, expect, verify_checksums())
    }
}

fn decode_members(data: &[u8], expect: Expect, verify: bool) -> Result<Bytes<'static>> {
    let mut decompressor = Decompressor::take()?;
    let mut output = Output::new(expect, data.len())?;
    let mut rest = decode_member(&mut decompressor, data, &mut output, verify)?;
    while !rest.is_empty() {
        rest = decode_member(&mut decompressor, rest, &mut output, verify)?;
    }
    decompressor.put_back();
    output.finish()
}

const FOOTER_NBYTES: usize = 8;

/// Decodes the member at the start of `data`. Gives what is behind it.
fn decode_member<'d>(
    decompressor: &mut Decompressor,
    data: &'d [u8],
    output: &mut Output,
    verify: bool,
) -> Result<&'d [u8]> {
    let body = Header::skip(data)?;
    let deflated_end = body.len().checked_sub(FOOTER_NBYTES).ok_or_else(cut_short)?;
    let (read, written) = decompressor.inflate(&body[..deflated_end], output)?;
    let (footer, rest) = body[read..]
        .split_first_chunk::<FOOTER_NBYTES>()
        .ok_or_else(cut_short)?;
    check_footer(output.advance(written), *footer, verify)?;
    Ok(rest)
}

fn check_footer(decoded: &[u8], footer: [u8; FOOTER_NBYTES], verify: bool) -> Result<()> {
    let [a, b, c, d, size @ ..] = footer;
    let (stored, size) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(size));
    // The format keeps the size modulo 2^32.
    if size != decoded.len() as u32 {
        return Err(Error::corrupt(format!(
            "a gzip member of {} bytes says that it has {size}",
            decoded.len()
        )));
    }
    if verify {
        let computed = crc32(decoded);
        if computed != stored {
            return Err(Error::checksum(format!(
                "the checksum is {computed:#010x}, stored is {stored:#010x}"
            )));
        }
    }
    Ok(())
}

fn cut_short() -> Error {
    Error::truncated("the gzip member is cut short")
}

/// The header of a member: ten bytes, then what the flags announce.
struct Header<'d> {
    rest: &'d [u8],
}

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

impl<'d> Header<'d> {
    /// What is behind the header.
    fn skip(data: &'d [u8]) -> Result<&'d [u8]> {
        let mut header = Header { rest: data };
        let [id1, id2, method, flags, ..] = header.take::<10>()?;
        if [id1, id2] != [0x1f, 0x8b] {
            return Err(Error::corrupt(format!(
                "a gzip member starts with 1f 8b, not {id1:02x} {id2:02x}"
            )));
        }
        if method != 8 || flags & RESERVED != 0 {
            return Err(Error::corrupt(format!(
                "gzip method {method} with flags {flags:#04x} is not defined"
            )));
        }
        if flags & EXTRA != 0 {
            let nbytes = usize::from(u16::from_le_bytes(header.take()?));
            header.rest = header.rest.get(nbytes..).ok_or_else(cut_short)?;
        }
        for text in [NAME, COMMENT] {
            if flags & text != 0 {
                let end = header.rest.iter().position(|&byte| byte == 0).ok_or_else(cut_short)?;
                header.rest = &header.rest[end + 1..];
            }
        }
        if flags & HEADER_CRC != 0 {
            let computed = crc32(&data[..data.len() - header.rest.len()]) as u16;
            if u16::from_le_bytes(header.take()?) != computed {
                return Err(Error::checksum("the checksum of the gzip header is wrong"));
            }
        }
        Ok(header.rest)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
    use crate::error::Kind;

    fn codec(level: i32) -> Arc<dyn BytesBytesCodec> {
        compile_bytes_bytes(
            compile,
            &json!({"name": "gzip", "configuration": {"level": level}}),
            &spec_of(&[1], 1),
        )
    }

    fn decode(data: &[u8], expect: Expect) -> Result<Vec<u8>> {
        codec(1).decode(Bytes::Borrowed(data), expect).map(|out| out.to_vec())
    }

    /// `python3 -c "import gzip; print(gzip.compress(b'hello', 9, mtime=0).hex())"`
    const HELLO: [u8; 25] = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86, 0xa6, 0x10, 0x36, 5, 0,
        0, 0,
    ];

    #[test]
    fn all_levels() {
        for level in 0..=9 {
            for data in [vec![], vec![7], noise(5000), ramp(300_000), noise(200_000)] {
                let encoded = roundtrip(&*codec(level), &data);
                assert_eq!(encoded[4..8], [0; 4], "no time is written");
                assert_eq!(encoded, roundtrip(&*codec(level), &data));
            }
        }
        assert!(roundtrip(&*codec(6), &ramp(100_000)).len() < 20_000);
        assert_eq!(
            codec(3).to_json(),
            json!({"name": "gzip", "configuration": {"level": 3}})
        );
    }

    #[test]
    fn a_stream_of_another_library() {
        assert_eq!(decode(&HELLO, Expect::Exactly(5)).unwrap(), b"hello");
    }

    #[test]
    fn several_members_are_one_stream() {
        let parts = [ramp(70_000), vec![], noise(10), ramp(200_000)];
        let encoded: Vec<u8> = parts
            .iter()
            .flat_map(|p| codec(5).encode(Bytes::Borrowed(p)).unwrap().to_vec())
            .collect();
        let whole = parts.concat();
        for expect in [
            Expect::Exactly(whole.len()),
            Expect::AtMost(whole.len()),
            Expect::AtMost(1 << 30),
        ] {
            assert!(decode(&encoded, expect).unwrap() == whole);
        }
        for expect in [Expect::Exactly(whole.len() - 1), Expect::AtMost(100_000)] {
            assert_eq!(decode(&encoded, expect).unwrap_err().kind(), Kind::Size);
        }
    }

    #[test]
    fn all_optional_parts_of_the_header() {
        let mut header = vec![0x1f, 0x8b, 8, HEADER_CRC | EXTRA | NAME | COMMENT, 1, 2, 3, 4, 0, 3];
        header.extend_from_slice(&[3, 0, 9, 9, 9]);
        header.extend_from_slice(b"name\0comment\0");
        let crc = (crc32(&header) as u16).to_le_bytes();
        let good = [&header[..], &crc, &HELLO[10..]].concat();
        assert_eq!(decode(&good, Expect::Exactly(5)).unwrap(), b"hello");
        let bad = [&header[..], &[crc[0] ^ 1, crc[1]], &HELLO[10..]].concat();
        assert_eq!(decode(&bad, Expect::Exactly(5)).unwrap_err().kind(), Kind::Checksum);
        // Only the padding bits behind the last deflate block are checked by nothing.
        assert!(hostile::torture(&*codec(1), &good, 5) <= 6);
    }

    #[test]
    fn what_follows_a_member_must_be_a_member() {
        for tail in [&[0][..], &[0; 64], b"garbage that is long enough", &HELLO[..9]] {
            let error = decode(&[&HELLO, tail].concat(), Expect::Exactly(5)).unwrap_err();
            assert!(matches!(error.kind(), Kind::Codec | Kind::Truncated), "{error}");
        }
    }

    #[test]
    fn kinds_of_damage() {
        let kind = |data: &[u8]| decode(data, Expect::Exactly(5)).unwrap_err().kind();
        let changed = |at: usize| {
            let mut bad = HELLO;
            bad[at] ^= 1;
            kind(&bad)
        };
        assert_eq!([kind(&[]), kind(&HELLO[..9]), kind(&HELLO[..17])], [Kind::Truncated; 3]);
        assert_eq!(changed(17), Kind::Checksum);
        assert_eq!(changed(21), Kind::Codec);
        assert_eq!(changed(0), Kind::Codec);
        let mut unverified = HELLO;
        unverified[17] ^= 1;
        assert_eq!(
            &*decode_members(&unverified, Expect::Exactly(5), false).unwrap(),
            b"hello"
        );
    }

    #[test]
    fn damage_anywhere_is_found() {
        for level in [0, 6] {
            for data in [ramp(600), noise(60)] {
                let good = codec(level).encode(Bytes::Borrowed(&data)).unwrap().to_vec();
                let accepted = hostile::torture(&*codec(level), &good, data.len());
                // Time, extra flags, system, and the padding bits of the last byte are checked by nothing.
                assert!(accepted <= 7 * 14, "{accepted}");
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
    fn the_name_of_numcodecs() {
        for (configuration, written, level) in [
            (json!({}), 1, 1),
            (json!({"level": 9}), 9, 9),
            (json!({"level": -1}), -1, 6),
        ] {
            let json = json!({"name": "numcodecs.gzip", "configuration": configuration});
            let alias = compile_bytes_bytes(compile_numcodecs, &json, &spec_of(&[1], 1));
            let data = ramp(50_000);
            assert_eq!(roundtrip(&*alias, &data), roundtrip(&*codec(level), &data));
            assert_eq!(
                alias.to_json(),
                json!({"name": "numcodecs.gzip", "configuration": {"level": written}})
            );
        }
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for wrong in [
            json!({}),
            json!({"level": 10}),
            json!({"level": -1}),
            json!({"level": "5"}),
            json!({"level": 5.5}),
        ] {
            let error = compile_error(
                compile,
                &json!({"name": "gzip", "configuration": wrong}),
                &spec_of(&[1], 1),
            );
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains("level"), "{error}");
        }
        let wrong = json!({"name": "gzip", "configuration": {"level": 1, "mtime": 0}});
        assert!(
            compile_error(compile, &wrong, &spec_of(&[1], 1))
                .detail()
                .contains("mtime")
        );
    }
}
