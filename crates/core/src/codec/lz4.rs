//! `numcodecs.lz4`: the number of bytes in four bytes, little-endian, then the bytes as one LZ4 block.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.lz4>,
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>
//!
//! Names: `numcodecs.lz4`.
//!
//! ```json
//! {"name": "numcodecs.lz4", "configuration": {"acceleration": 1}}
//! ```
//!
//! The larger `acceleration` (1 where absent, and where it is less), the faster and the less compressed.

use std::any::Any;
use std::ffi::{c_char, c_int};
use std::sync::Arc;

use lz4_sys as ffi;
use serde_json::{Value, json};

use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

const NAME: &str = "numcodecs.lz4";
const HEADER_NBYTES: usize = 4;
/// What is taken at the word of a header.
const FREE_NBYTES: usize = 1 << 16;
/// The library's limit.
const MAX_NBYTES: usize = 0x7e00_0000;

struct Lz4 {
    acceleration: i32,
}

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["acceleration"])?;
    let acceleration = document.integer("acceleration", i32::MIN.into(), i32::MAX.into(), Some(1))? as i32;
    Ok(Stage::BytesBytes(Arc::new(Lz4 { acceleration })))
}

impl Codec for Lz4 {
    fn name(&self) -> &str {
        NAME
    }

    fn to_json(&self) -> Value {
        json!({"name": NAME, "configuration": {"acceleration": self.acceleration}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Lz4 {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        crate::limits::max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        if data.len() > MAX_NBYTES {
            return Err(Error::limit(format!(
                "lz4 takes at most {MAX_NBYTES} bytes, the chunk has {}; use smaller chunks or zstd",
                data.len()
            )));
        }
        let bound = data.len() + data.len() / 255 + 16;
        let mut out = scratch::take(HEADER_NBYTES + bound)?;
        let (header, block) = out.split_at_mut(HEADER_NBYTES);
        header.copy_from_slice(&(data.len() as u32).to_le_bytes());
        match compress(&data, block, self.acceleration.max(1)) {
            Some(nbytes) => out.truncate(HEADER_NBYTES + nbytes),
            None => return Err(Error::internal(format!("lz4: cannot compress {} bytes", data.len()))),
        }
        Ok(out.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        let (&header, block) = data
            .split_first_chunk::<HEADER_NBYTES>()
            .ok_or_else(|| Error::truncated(format!("{} bytes are too few for a size", data.len())))?;
        let nbytes = u32::from_le_bytes(header) as usize;
        expect.check(nbytes)?;
        // Where it is the header that says how much memory is taken, much is taken only if it tells the truth.
        if matches!(expect, Expect::AtMost(_)) && nbytes > FREE_NBYTES.max(4 * block.len()) {
            check_size(block, nbytes)?;
        }
        decompress(block, nbytes)
    }
}

/// Goes from sequence to sequence: literals, then a match. They must give `nbytes`.
fn check_size(block: &[u8], nbytes: usize) -> Result<()> {
    const MIN_MATCH_NBYTES: usize = 4;
    let mut rest = block;
    let mut found = 0_usize;
    loop {
        let token = take::<1>(&mut rest)?[0];
        let literals = length(token >> 4, &mut rest)?;
        rest = rest.get(literals..).ok_or_else(cut_short)?;
        found = found.saturating_add(literals);
        if rest.is_empty() {
            break;
        }
        let _offset = take::<2>(&mut rest)?;
        found = found.saturating_add(length(token & 0xf, &mut rest)? + MIN_MATCH_NBYTES);
    }
    if found != nbytes {
        return Err(Error::corrupt(format!(
            "the LZ4 block has {found} bytes, where its header says {nbytes}"
        )));
    }
    Ok(())
}

/// A length of four bits, with what is added by the bytes behind if they are all ones.
fn length(nibble: u8, rest: &mut &[u8]) -> Result<usize> {
    let mut length = usize::from(nibble);
    let mut more = nibble == 0xf;
    while more {
        let byte = take::<1>(rest)?[0];
        length = length.saturating_add(byte.into());
        more = byte == 0xff;
    }
    Ok(length)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>().ok_or_else(cut_short)?;
    *rest = behind;
    Ok(*taken)
}

fn cut_short() -> Error {
    Error::truncated("the LZ4 block is cut short")
}

/// Compresses as far as there is room; gives how many bytes that took, and None where it was too little.
fn compress(data: &[u8], room: &mut [u8], acceleration: c_int) -> Option<usize> {
    let len = c_int::try_from(data.len()).ok()?;
    // SAFETY: input and output are readable and writable for the lengths given and do not overlap.
    let nbytes = unsafe {
        ffi::LZ4_compress_fast(
            data.as_ptr().cast::<c_char>(),
            room.as_mut_ptr().cast::<c_char>(),
            len,
            c_int::try_from(room.len()).unwrap_or(c_int::MAX),
            acceleration,
        )
    };
    usize::try_from(nbytes).ok().filter(|&nbytes| nbytes > 0)
}

/// `compress` at the usual speed.
pub(super) fn compress_into(data: &[u8], room: &mut [u8]) -> Option<usize> {
    compress(data, room, 1)
}

fn decompress(block: &[u8], nbytes: usize) -> Result<Bytes<'static>> {
    let mut out = scratch::take(nbytes)?;
    // A smaller number would mean that a part was not written.
    if decompress_into(block, &mut out)? != nbytes {
        return Err(Error::corrupt("the LZ4 block is corrupt"));
    }
    Ok(out.into())
}

/// Decompresses to the start of `out`, which must have room for all; gives how many bytes that are.
pub(super) fn decompress_into(block: &[u8], out: &mut [u8]) -> Result<usize> {
    let len = c_int::try_from(block.len()).map_err(|_| Error::corrupt("the LZ4 block is too long"))?;
    let capacity = c_int::try_from(out.len()).map_err(|_| Error::corrupt("the LZ4 block has too many bytes"))?;
    // SAFETY: input and output are readable and writable for the lengths given and do not overlap.
    let written = unsafe {
        ffi::LZ4_decompress_safe(
            block.as_ptr().cast::<c_char>(),
            out.as_mut_ptr().cast::<c_char>(),
            len,
            capacity,
        )
    };
    usize::try_from(written).map_err(|_| Error::corrupt("the LZ4 block is corrupt"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
    use crate::error::Kind;

    fn codec(acceleration: i32) -> Arc<dyn BytesBytesCodec> {
        let json = json!({"name": NAME, "configuration": {"acceleration": acceleration}});
        compile_bytes_bytes(compile, &json, &spec_of(&[1], 1))
    }

    fn encode(data: &[u8]) -> Vec<u8> {
        codec(1).encode(Bytes::Borrowed(data)).unwrap().to_vec()
    }

    fn decode(data: &[u8], expect: Expect) -> Result<Vec<u8>> {
        codec(1).decode(Bytes::Borrowed(data), expect).map(|out| out.to_vec())
    }

    #[test]
    fn accelerations_and_sizes() {
        for acceleration in [i32::MIN, 0, 1, 10, i32::MAX] {
            for data in [
                vec![],
                vec![7],
                noise(5000),
                ramp(300_000),
                noise(250_000),
                vec![3; 70_000],
            ] {
                let encoded = roundtrip(&*codec(acceleration), &data);
                assert_eq!(encoded[..4], (data.len() as u32).to_le_bytes());
            }
        }
        assert_eq!(
            codec(-3).to_json(),
            json!({"name": NAME, "configuration": {"acceleration": -3}})
        );
        let absent = compile_bytes_bytes(compile, &json!({"name": NAME}), &spec_of(&[1], 1));
        assert_eq!(absent.to_json(), codec(1).to_json());
    }

    #[test]
    fn a_block_by_hand() {
        // Five literals; then three and a match of eight bytes, three back; then the last five.
        let block = [5, 0, 0, 0, 0x50, b'h', b'e', b'l', b'l', b'o'];
        assert_eq!(decode(&block, Expect::Exactly(5)).unwrap(), b"hello");
        let block = [16, 0, 0, 0, 0x34, b'a', b'b', b'c', 3, 0, 0x50, 1, 2, 3, 4, 5];
        assert_eq!(
            decode(&block, Expect::AtMost(99)).unwrap(),
            b"abcabcabcab\x01\x02\x03\x04\x05"
        );
    }

    #[test]
    fn what_the_header_claims_costs_nothing() {
        let mut claim = encode(&ramp(1000));
        claim[..4].copy_from_slice(&0x7e00_0000_u32.to_le_bytes());
        for (expect, kind) in [
            (Expect::AtMost(usize::MAX), Kind::Codec),
            (Expect::AtMost(0x7e00_0000), Kind::Codec),
            (Expect::AtMost(1000), Kind::Size),
            (Expect::Exactly(1000), Kind::Size),
        ] {
            assert_eq!(decode(&claim, expect).unwrap_err().kind(), kind);
        }
        claim[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            decode(&claim, Expect::AtMost(usize::MAX)).unwrap_err().kind(),
            Kind::Codec
        );
        claim[..4].copy_from_slice(&999_u32.to_le_bytes());
        assert_eq!(decode(&claim, Expect::AtMost(2000)).unwrap_err().kind(), Kind::Codec);
        assert_eq!(
            decode(&claim, Expect::Exactly(1000)).unwrap_err().kind(),
            Kind::Truncated
        );
    }

    #[test]
    fn kinds_of_damage() {
        let good = encode(&ramp(1000));
        for cut in 0..good.len() {
            let kind = decode(&good[..cut], Expect::Exactly(1000)).unwrap_err().kind();
            assert!(matches!(kind, Kind::Truncated | Kind::Codec), "{cut}");
        }
        let large = encode(&vec![7; 1 << 20]);
        assert_eq!(decode(&large, Expect::AtMost(1 << 30)).unwrap(), vec![7; 1 << 20]);
        for cut in [4, 5, 6, 7, 8, 1000, large.len() - 1] {
            let kind = decode(&large[..cut], Expect::AtMost(1 << 30)).unwrap_err().kind();
            assert!(matches!(kind, Kind::Truncated | Kind::Codec), "{cut}");
        }
        for tail in [&[0][..], &[0; 8], b"garbage"] {
            assert!(decode(&[&good, tail].concat(), Expect::Exactly(1000)).is_err());
        }
        let before_the_start = [16, 0, 0, 0, 0x34, b'a', b'b', b'c', 4, 0, 0x50, 1, 2, 3, 4, 5];
        let error = decode(&before_the_start, Expect::Exactly(16)).unwrap_err();
        assert_eq!(error.kind(), Kind::Codec);
        // The format does not allow the offset 0. The library takes it for zeros: not for what the buffer held before.
        let no_offset = [16, 0, 0, 0, 0x34, b'a', b'b', b'c', 0, 0, 0x50, 1, 2, 3, 4, 5];
        hostile::torture(&*codec(1), &no_offset, 16);
    }

    #[test]
    fn damage_never_leaks_or_breaks() {
        for data in [ramp(600), noise(60), vec![3; 1000]] {
            hostile::torture(&*codec(1), &encode(&data), data.len());
        }
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for (member, wrong) in [("acceleration", json!(1_i64 << 31)), ("level", json!(1))] {
            let json = json!({"name": NAME, "configuration": {member: wrong}});
            let error = compile_error(compile, &json, &spec_of(&[1], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
    }
}
