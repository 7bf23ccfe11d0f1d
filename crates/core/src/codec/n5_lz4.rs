//! `n5_lz4`: what N5 calls `lz4`, as lz4-java writes it, and as z5 does.
//!
//! <https://github.com/lz4/lz4-java/blob/master/src/java/net/jpountz/lz4/LZ4BlockOutputStream.java>,
//! <https://github.com/saalfeldlab/n5#file-system-specification>
//!
//! Names: `n5_lz4`, which is this library's own: N5's documents become chains that have it.
//!
//! ```json
//! {"name": "n5_lz4"}
//! ```
//!
//! lz4-java's is a stream of blocks, of which each has a header: `LZ4Block`, a byte for the method (stored or LZ4) and the
//! largest block, then, little-endian in four bytes each, the encoded and the decoded length, and 28 bits of the xxHash32
//! of what is decoded. A block of nothing ends the stream. z5 writes one LZ4 block without any header.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::lz4::{compress_into, decompress_into};
use super::output::Output;
use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

const NAME: &str = "n5_lz4";
const MAGIC: &[u8; 8] = b"LZ4Block";
const HEADER_NBYTES: usize = 21;
const STORED: u8 = 0x10;
const LZ4: u8 = 0x20;
/// The exponent of the largest block is so much larger than what the token says.
const LEVEL_BASE: u8 = 10;
/// lz4-java's default, and the level that says it.
const BLOCK_NBYTES: usize = 1 << 16;
const LEVEL: u8 = 6;
/// An LZ4 block does not give more for each of its bytes.
const MAX_RATIO: usize = 255;

struct N5Lz4;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    Ok(Stage::BytesBytes(Arc::new(N5Lz4)))
}

impl Codec for N5Lz4 {
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

impl BytesBytesCodec for N5Lz4 {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        // Blocks that other writers made as small as they may be.
        crate::limits::max_compressed_nbytes(nbytes).saturating_add(nbytes.saturating_mul(HEADER_NBYTES as u64 + 1))
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let blocks = data.len().div_ceil(BLOCK_NBYTES);
        let mut out = scratch::take(data.len() + (blocks + 1) * HEADER_NBYTES)?;
        let mut at = 0;
        let mut packed = vec![0; BLOCK_NBYTES];
        for block in data.chunks(BLOCK_NBYTES) {
            // What does not become smaller is stored.
            let room = packed.get_mut(..block.len() - 1).unwrap_or_default();
            let (method, bytes) = match compress_into(block, room) {
                Some(nbytes) => (LZ4, &room[..nbytes]),
                None => (STORED, block),
            };
            let sum = xxhash32(block) & SUM_BITS;
            at = put(&mut out, at, method, bytes, block.len() as u32, sum);
        }
        at = put(&mut out, at, STORED, &[], 0, 0);
        out.truncate(at);
        Ok(out.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        if data.starts_with(MAGIC) {
            return decode_stream(&data, expect);
        }
        let room = match expect {
            Expect::Exactly(nbytes) => nbytes,
            Expect::AtMost(limit) => limit.min(data.len().saturating_mul(MAX_RATIO)),
        };
        let mut out = scratch::take(room)?;
        let nbytes = decompress_into(&data, &mut out)?;
        expect.check(nbytes)?;
        out.truncate(nbytes);
        Ok(out.into())
    }
}

/// Writes a block behind byte `at`, and gives where it ends.
fn put(out: &mut [u8], at: usize, method: u8, bytes: &[u8], nbytes: u32, sum: u32) -> usize {
    let (header, rest) = out[at..].split_at_mut(HEADER_NBYTES);
    header[..8].copy_from_slice(MAGIC);
    header[8] = method | LEVEL;
    for (slot, number) in header[9..].chunks_exact_mut(4).zip([bytes.len() as u32, nbytes, sum]) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    rest[..bytes.len()].copy_from_slice(bytes);
    at + HEADER_NBYTES + bytes.len()
}

struct Header {
    method: u8,
    encoded: usize,
    decoded: usize,
    sum: u32,
}

fn header(rest: &mut &[u8]) -> Result<Header> {
    let (head, behind) = rest
        .split_first_chunk::<HEADER_NBYTES>()
        .ok_or_else(|| Error::truncated("the stream of LZ4 blocks is cut short"))?;
    *rest = behind;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (token, sum) = (head[8], number(17));
    let (encoded, decoded) = (number(9) as usize, number(13) as usize);
    let method = token & 0xf0;
    let fits = decoded <= 1 << (LEVEL_BASE + (token & 0x0f));
    let is_whole = match method {
        STORED => encoded == decoded,
        LZ4 => encoded > 0 && decoded > 0,
        _ => false,
    };
    if !head.starts_with(MAGIC) || !fits || !is_whole || (decoded == 0 && sum != 0) {
        return Err(Error::corrupt("what should be the header of an LZ4 block is none"));
    }
    Ok(Header {
        method,
        encoded,
        decoded,
        sum,
    })
}

fn decode_stream(data: &[u8], expect: Expect) -> Result<Bytes<'static>> {
    let mut rest = data;
    let mut out = Output::new(expect, data.len())?;
    loop {
        let header = header(&mut rest)?;
        if header.decoded == 0 {
            break;
        }
        let (block, behind) = rest
            .split_at_checked(header.encoded)
            .ok_or_else(|| Error::truncated("an LZ4 block is cut short"))?;
        rest = behind;
        if header.decoded > block.len().saturating_mul(MAX_RATIO) {
            return Err(Error::corrupt("an LZ4 block has fewer bytes than its header says"));
        }
        while out.free().len() < header.decoded {
            out.grow()?;
        }
        let place = &mut out.free()[..header.decoded];
        match header.method {
            STORED => place.copy_from_slice(block),
            _ if decompress_into(block, place)? == header.decoded => {}
            _ => return Err(Error::corrupt("an LZ4 block has fewer bytes than its header says")),
        }
        let sum = xxhash32(out.advance(header.decoded)) & SUM_BITS;
        if sum != header.sum {
            return Err(Error::checksum(format!(
                "the xxHash32 of an LZ4 block is {sum:#x}, and {:#x} is stored",
                header.sum
            )));
        }
    }
    if !rest.is_empty() {
        return Err(Error::size(format!(
            "{} bytes lie behind the last LZ4 block",
            rest.len()
        )));
    }
    out.finish()
}

/// What of the sum lz4-java keeps, and where it begins.
const SUM_BITS: u32 = 0x0fff_ffff;
const SEED: u32 = 0x9747_b28c;

const PRIMES: [u32; 5] = [2_654_435_761, 2_246_822_519, 3_266_489_917, 668_265_263, 374_761_393];

fn xxhash32(data: &[u8]) -> u32 {
    xxhash32_from(data, SEED)
}

/// <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>
fn xxhash32_from(data: &[u8], seed: u32) -> u32 {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let (stripes, rest) = data.as_chunks::<16>();
    let mut sum = if stripes.is_empty() {
        seed.wrapping_add(p5)
    } else {
        let mut lanes = [
            seed.wrapping_add(p1).wrapping_add(p2),
            seed.wrapping_add(p2),
            seed,
            seed.wrapping_sub(p1),
        ];
        for stripe in stripes {
            for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<4>().0) {
                let added = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p2));
                *lane = added.rotate_left(13).wrapping_mul(p1);
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]).map(|(lane, by)| lane.rotate_left(by));
        turned.fold(0, u32::wrapping_add)
    };
    sum = sum.wrapping_add(data.len() as u32);
    let (words, bytes) = rest.as_chunks::<4>();
    for word in words {
        let added = sum.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p3));
        sum = added.rotate_left(17).wrapping_mul(p4);
    }
    for &byte in bytes {
        let added = sum.wrapping_add(u32::from(byte).wrapping_mul(p5));
        sum = added.rotate_left(11).wrapping_mul(p1);
    }
    sum = (sum ^ (sum >> 15)).wrapping_mul(p2);
    sum = (sum ^ (sum >> 13)).wrapping_mul(p3);
    sum ^ (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{
        compile_bytes_bytes, noise, nothing_wrong_is_accepted, ramp, roundtrip, spec_of, torture,
    };
    use crate::error::Kind;

    fn codec() -> Arc<dyn BytesBytesCodec> {
        compile_bytes_bytes(compile, &json!({"name": NAME}), &spec_of(&[1], 1))
    }

    fn decode(data: &[u8], expect: Expect) -> Result<Vec<u8>> {
        codec().decode(Bytes::Borrowed(data), expect).map(|out| out.to_vec())
    }

    #[test]
    fn known_sums() {
        assert_eq!(xxhash32_from(b"", 0), 0x02cc_5d05);
        assert_eq!(xxhash32_from(b"abc", 0), 0x32d1_53ff);
        assert_eq!(
            xxhash32_from(b"Nobody inspects the spammish repetition", 0),
            0xe229_3b2f
        );
    }

    #[test]
    fn streams() {
        for data in [
            vec![],
            vec![7],
            noise(5000),
            ramp(300_000),
            noise(70_000),
            vec![3; BLOCK_NBYTES],
        ] {
            let encoded = roundtrip(&*codec(), &data);
            let blocks = data.len().div_ceil(BLOCK_NBYTES) + 1;
            assert!(encoded.windows(8).filter(|part| part == MAGIC).count() == blocks);
        }
    }

    #[test]
    fn a_block_without_header() {
        // Five literals; then three and a match of eight bytes, three back; then the last five.
        let block = b"\x50abcde";
        assert_eq!(decode(block, Expect::Exactly(5)).unwrap(), b"abcde");
        assert_eq!(decode(block, Expect::AtMost(9)).unwrap(), b"abcde");
        assert!(decode(block, Expect::Exactly(6)).is_err());
        assert!(decode(block, Expect::Exactly(4)).is_err());
        assert!(decode(&block[..4], Expect::Exactly(5)).is_err());
        assert!(decode(b"", Expect::AtMost(5)).is_err());
    }

    #[test]
    fn what_lies_is_refused() {
        let data = ramp(500);
        let good = codec().encode(Bytes::Borrowed(&data)).unwrap().to_vec();
        torture(&*codec(), &good, data.len());
        // Stored, so that each bit counts. Only the level of a block may be another.
        let stored = noise(500);
        let encoded = codec().encode(Bytes::Borrowed(&stored)).unwrap().to_vec();
        assert!(nothing_wrong_is_accepted(&*codec(), &encoded, &stored) <= 8);
        let changed = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            decode(&bad, Expect::Exactly(data.len()))
                .err()
                .map(|error| error.kind())
        };
        assert_eq!(changed(17, good[17] ^ 1), Some(Kind::Checksum));
        assert_eq!(changed(8, LZ4), None); // blocks of 1024 bytes at most
        assert_eq!(changed(8, 0x30), Some(Kind::Codec));
        assert_eq!(changed(16, 0xff), Some(Kind::Codec)); // four gigabytes
        assert_eq!(
            decode(&good[..good.len() - HEADER_NBYTES], Expect::Exactly(data.len()))
                .unwrap_err()
                .kind(),
            Kind::Truncated
        );
        let longer = [&good[..], b"x"].concat();
        assert_eq!(
            decode(&longer, Expect::Exactly(data.len())).unwrap_err().kind(),
            Kind::Size
        );
    }
}
