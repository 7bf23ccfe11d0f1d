//! The shard index: for each inner chunk in C order its offset and size, or nothing.

use crate::error::{Error, Result};
use crate::scratch::Bytes;

/// Where an inner chunk lies in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub offset: u64,
    pub nbytes: u64,
}

impl Entry {
    /// Cannot overflow: `Index::get` has checked.
    pub fn end(self) -> u64 {
        self.offset + self.nbytes
    }
}

/// A decoded index. Entries are checked when they are asked for: a partial read pays for what it touches.
pub struct Index {
    items: Bytes<'static>,
    shard_nbytes: Option<u64>,
}

impl Index {
    /// `items` are pairs of native u64.
    pub fn new(items: Bytes<'static>, shard_nbytes: Option<u64>) -> Self {
        Index { items, shard_nbytes }
    }

    /// The entry of inner chunk `number`; None where it is not stored.
    pub fn get(&self, number: u64) -> Result<Option<Entry>> {
        let half = |at: usize| {
            let bytes = self.items.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes
                .map(u64::from_ne_bytes)
                .ok_or_else(|| Error::internal("index entry out of range"))
        };
        let at = number as usize * 16;
        let (offset, nbytes) = (half(at)?, half(at + 8)?);
        match (offset, nbytes) {
            (u64::MAX, u64::MAX) => return Ok(None),
            (u64::MAX, _) | (_, u64::MAX) => {
                return Err(Error::shard_index(format!(
                    "entry {number} is half empty: offset {offset}, {nbytes} bytes"
                )));
            }
            _ => {}
        }
        let end = offset
            .checked_add(nbytes)
            .filter(|&end| self.shard_nbytes.is_none_or(|size| end <= size));
        match end {
            Some(end) if end <= i64::MAX as u64 => Ok(Some(Entry { offset, nbytes })),
            _ => Err(Error::shard_index(match self.shard_nbytes {
                Some(size) => format!("entry {number} ({nbytes} bytes at {offset}) ends past the shard's {size} bytes"),
                None => format!("entry {number} ({nbytes} bytes at {offset}) ends past any shard"),
            })),
        }
    }
}

/// Refuses entries that share some of their bytes but not all; `entries` are sorted by offset. Equal entries are
/// allowed: a writer may store equal inner chunks once.
pub fn check_overlap<'e>(mut entries: impl Iterator<Item = &'e Entry>) -> Result<()> {
    let Some(mut last) = entries.next() else { return Ok(()) };
    for next in entries {
        if next != last && next.offset < last.end() && next.nbytes > 0 {
            return Err(Error::shard_index(format!(
                "two inner chunks overlap: {} bytes at {} and {} bytes at {}",
                last.nbytes, last.offset, next.nbytes, next.offset
            )));
        }
        last = next;
    }
    Ok(())
}
