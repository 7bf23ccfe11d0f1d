//! `numcodecs.fletcher32`: the bytes as they are, with their Fletcher-32 sums behind them as four bytes, little-endian.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.fletcher32>; `H5_checksum_fletcher32`
//! of HDF5; J. G. Fletcher, 1982, doi:10.1109/TCOM.1982.1095369
//!
//! Names: `numcodecs.fletcher32`.
//!
//! ```json
//! {"name": "numcodecs.fletcher32"}
//! ```
//!
//! The words are of 16 bits, big-endian; an odd last byte counts as a word whose lower half is zero. Both sums start from
//! 0 and are modulo 65535, the second in the upper half of the checksum; a sum that is not 0 but a multiple of 65535 is
//! 65535. Read is also the checksum of little-endian words, which HDF5 before 1.6.3 and the first numcodecs wrote.

use super::checksum::{self, Location};
use super::{Document, Stage};
use crate::error::Result;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    let sum = |data: &[u8]| Ok(fletcher32(data));
    Ok(checksum::stage_matching(document, Location::End, sum, matches))
}

const MODULUS: u64 = 65535;

fn fletcher32(data: &[u8]) -> u32 {
    /// Bytes between two divisions: few enough that 64 bits hold the sums, and even.
    const BLOCK_NBYTES: usize = 1 << 20;
    let (mut one, mut two) = (0_u64, 0_u64);
    for block in data.chunks(BLOCK_NBYTES) {
        let (words, odd) = block.as_chunks::<2>();
        let odd = odd.first().map(|&byte| u64::from(byte) << 8);
        for word in words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).chain(odd) {
            one += word;
            two += one;
        }
        one = reduce(one);
        two = reduce(two);
    }
    // Both are below 2^16.
    (two << 16 | one) as u32
}

/// 1 to 65535, and 0 for 0 alone.
fn reduce(sum: u64) -> u64 {
    if sum == 0 { 0 } else { (sum - 1) % MODULUS + 1 }
}

/// Sums of words with their bytes exchanged are sums with their bytes exchanged, modulo 65535.
fn matches(computed: u32, stored: u32) -> bool {
    let zero_is_zero = |sum: u32| [sum >> 16, sum & 0xffff].map(|half| half % 65535);
    let exchanged = (stored & 0x00ff_00ff) << 8 | stored >> 8 & 0x00ff_00ff;
    computed == stored || zero_is_zero(computed) == zero_is_zero(exchanged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Expect;
    use crate::codec::hostile::{compile_bytes_bytes, noise, ramp, spec_of};
    use crate::scratch::Bytes;
    use serde_json::json;

    /// With its words in this order of bytes, and a division for each.
    fn plain(data: &[u8], big: bool) -> u32 {
        let (mut one, mut two) = (0_u32, 0_u32);
        for word in data.chunks(2) {
            let word = [word[0], word.get(1).copied().unwrap_or(0)];
            let word = if big {
                u16::from_be_bytes(word)
            } else {
                u16::from_le_bytes(word)
            };
            one = (one + u32::from(word)) % 65535;
            two = (two + one) % 65535;
        }
        two << 16 | one
    }

    #[test]
    fn known_values() {
        // Of numcodecs 0.17.
        assert_eq!(fletcher32(b""), 0);
        assert_eq!(fletcher32(b"\x01"), 0x0100_0100);
        assert_eq!(fletcher32(b"\x01\x02\x03"), 0x0504_0402);
        assert_eq!(fletcher32(&[0; 100]), 0);
        assert_eq!(fletcher32(&[0xff; 720]), 0xffff_ffff);
        assert_eq!(fletcher32(&[0, 1].repeat(65535)), 0xffff_ffff);
        assert_eq!(fletcher32(&[0, 1].repeat(65534)), 0xffff_fffe);
        // Of the Wikipedia article on the checksum, which has little-endian words.
        assert_eq!(plain(b"abcde", false), 0xf04f_c729);
    }

    #[test]
    fn dividing_less_often_changes_nothing() {
        let data = noise(2_500_001);
        for len in [data.len(), data.len() - 1, 999] {
            assert_eq!(fletcher32(&data[..len]), plain(&data[..len], true));
        }
    }

    #[test]
    fn little_endian_words_are_read() {
        let codec = compile_bytes_bytes(compile, &json!("numcodecs.fletcher32"), &spec_of(&[1], 1));
        for data in [noise(1000), ramp(5000), vec![0xff; 100], vec![0; 10]] {
            let old = [&data[..], &plain(&data, false).to_le_bytes()].concat();
            let decoded = codec.decode(Bytes::Borrowed(&old), Expect::Exactly(data.len()));
            assert!(*decoded.unwrap() == data);
            let other = [&data[..], &(plain(&data, false) ^ 1).to_le_bytes()].concat();
            assert!(
                codec
                    .decode(Bytes::Borrowed(&other), Expect::Exactly(data.len()))
                    .is_err()
            );
        }
    }
}
