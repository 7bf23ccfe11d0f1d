//! What untrusted input may cost: sizes, depth, counts. Checked arithmetic for every size that a document names.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Axes of an array: NumPy's limit.
pub const MAX_RANK: usize = 64;
/// Chains inside chains (a shard in a shard in ...).
pub const MAX_CODEC_DEPTH: usize = 16;

static MAX_CHUNK_NBYTES: AtomicU64 = AtomicU64::new(1 << 40);

/// The largest decoded chunk that may be held in memory (setting `max_chunk_nbytes`).
pub fn max_chunk_nbytes() -> u64 {
    MAX_CHUNK_NBYTES.load(Ordering::Relaxed)
}

pub fn set_max_chunk_nbytes(nbytes: u64) {
    MAX_CHUNK_NBYTES.store(nbytes, Ordering::Relaxed);
}

static VERIFY_CHECKSUMS: AtomicBool = AtomicBool::new(true);

/// Whether checksum codecs compare when they decode (setting `verify_checksums`).
pub fn verify_checksums() -> bool {
    VERIFY_CHECKSUMS.load(Ordering::Relaxed)
}

pub fn set_verify_checksums(verify: bool) {
    VERIFY_CHECKSUMS.store(verify, Ordering::Relaxed);
}

/// What a compressor of any make may turn `nbytes` into. The formats set no bound (streams may hold empty blocks and
/// padding), so this one is generous: it only keeps the stage in front of a decoder from inflating without end.
pub fn max_compressed_nbytes(nbytes: u64) -> u64 {
    nbytes.saturating_mul(2).saturating_add(1 << 16)
}

/// The product of a shape, as bytes when started with the item's size. Errors where it leaves 2^63.
pub fn checked_product(start: u64, shape: &[u64]) -> Result<u64> {
    shape
        .iter()
        .try_fold(start, |n, &extent| n.checked_mul(extent))
        .filter(|&n| n <= i64::MAX as u64)
        .ok_or_else(|| Error::limit(format!("shape {shape:?} holds more bytes than can be addressed")))
}

/// `nbytes` as a length in memory, where the limit and the platform allow it.
pub fn in_memory(nbytes: u64) -> Result<usize> {
    let limit = max_chunk_nbytes();
    if nbytes > limit {
        return Err(Error::limit(format!(
            "a chunk of {nbytes} bytes is over the limit of {limit} (max_chunk_nbytes)"
        )));
    }
    usize::try_from(nbytes).map_err(|_| Error::memory(nbytes))
}

/// How many bytes a decoder may give: it must refuse more, and with `Exactly` also less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Exactly(usize),
    AtMost(usize),
}

impl Expect {
    pub fn limit(self) -> usize {
        match self {
            Expect::Exactly(n) | Expect::AtMost(n) => n,
        }
    }

    /// `found` bytes came out: an error where that is not what the chunk's spec says.
    pub fn check(self, found: usize) -> Result<()> {
        match self {
            Expect::Exactly(n) if found < n => Err(Error::truncated(format!(
                "decoded to {found} bytes where the chunk has {n}"
            ))),
            Expect::Exactly(n) if found > n => {
                Err(Error::size(format!("decoded to {found} bytes where the chunk has {n}")))
            }
            Expect::AtMost(n) if found > n => Err(Error::size(format!(
                "decoded to {found} bytes where at most {n} can be right"
            ))),
            _ => Ok(()),
        }
    }

    /// The error for a stream that holds more than this.
    pub fn overflow(self) -> Error {
        Error::size(format!(
            "decodes to more than the {} bytes that the chunk can have",
            self.limit()
        ))
    }
}
