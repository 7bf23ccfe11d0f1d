//! `numcodecs.fletcher32`: the bytes as they are, with their Fletcher-32 sums behind them as four bytes, little-endian.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.fletcher32>;
//! J. G. Fletcher, 1982, doi:10.1109/TCOM.1982.1095369
//!
//! Names: `numcodecs.fletcher32`.
//!
//! ```json
//! {"name": "numcodecs.fletcher32"}
//! ```
//!
//! The words are of 16 bits, little-endian; an odd last byte counts as a word whose upper half is zero. Both sums start
//! from 0 and are modulo 65535, the second in the upper half of the checksum.

use super::checksum::{self, Location};
use super::{Document, Stage};
use crate::error::Result;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    Ok(checksum::stage(document, Location::End, |data| Ok(fletcher32(data))))
}

fn fletcher32(data: &[u8]) -> u32 {
    /// Bytes between two divisions: few enough that 64 bits hold the sums, and even.
    const BLOCK_NBYTES: usize = 1 << 20;
    const MODULUS: u64 = 65535;
    let (mut one, mut two) = (0_u64, 0_u64);
    for block in data.chunks(BLOCK_NBYTES) {
        let words = block.chunks_exact(2);
        let odd = words.remainder().first().map(|&byte| u64::from(byte));
        let words = words.map(|word| u64::from(word[0]) | u64::from(word[1]) << 8);
        for word in words.chain(odd) {
            one += word;
            two += one;
        }
        one %= MODULUS;
        two %= MODULUS;
    }
    // Both are below 2^16.
    (two << 16 | one) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::noise;

    #[test]
    fn known_values() {
        // Of the Wikipedia article on the checksum.
        assert_eq!(fletcher32(b"abcde"), 0xf04f_c729);
        assert_eq!(fletcher32(b"abcdef"), 0x5650_2d2a);
        assert_eq!(fletcher32(b"abcdefgh"), 0xebe1_9591);
        assert_eq!(fletcher32(b""), 0);
    }

    /// By a division for each word.
    fn plain(data: &[u8]) -> u32 {
        let (mut one, mut two) = (0_u32, 0_u32);
        for word in data.chunks(2) {
            let word = u32::from(word[0]) + 256 * word.get(1).map_or(0, |&byte| u32::from(byte));
            one = (one + word) % 65535;
            two = (two + one) % 65535;
        }
        two << 16 | one
    }

    #[test]
    fn dividing_less_often_changes_nothing() {
        for data in [noise(2_500_001), vec![0xff; 3_000_000], vec![0; 1000]] {
            for len in [data.len(), data.len() - 1, 999] {
                assert_eq!(fletcher32(&data[..len]), plain(&data[..len]));
            }
        }
    }
}
