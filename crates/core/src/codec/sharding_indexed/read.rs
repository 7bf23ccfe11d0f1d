//! Reading a shard: which inner chunks a piece wants, where they lie, and decoding them from memory.

use super::index::check_overlap;
use super::{Entry, Index, Sharding};
use crate::copy::Buffer;
use crate::error::{Error, Result};
use crate::scratch::Bytes;
use crate::select::{Piece, Split};

/// A stored inner chunk that a piece wants: its number in the split, and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub ordinal: u64,
    pub entry: Entry,
}

impl Sharding {
    /// The inner chunks that `split` touches, sorted by offset. Those that are not stored are filled at once.
    pub fn wanted(&self, index: &Index, split: &Split, buffer: Buffer) -> Result<Vec<Wanted>> {
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut wanted = Vec::with_capacity(usize::try_from(split.len()).unwrap_or(0));
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut piece);
            match index.get(self.inner_number(&coords))? {
                Some(entry) => wanted.push(Wanted { ordinal, entry }),
                // SAFETY: the buffer's maker vouches for the piece, of which this is a part.
                None => unsafe { self.inner().spec().fill(buffer, &piece) },
            }
        }
        wanted.sort_by_key(|w| (w.entry.offset, w.entry.nbytes));
        check_overlap(wanted.iter().map(|w| &w.entry))?;
        Ok(wanted)
    }

    /// Decodes wanted inner chunks from `data`, which holds the shard's bytes from `base` on.
    pub fn decode_wanted(
        &self,
        data: &[u8],
        base: u64,
        wanted: &[Wanted],
        split: &Split,
        buffer: Buffer,
    ) -> Result<()> {
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        for w in wanted {
            split.get(w.ordinal, &mut coords, &mut piece);
            let chunk = slice(data, base, w.entry)?;
            let inner = self.inner();
            let decoded = if inner.folded_stages() == 0 {
                inner.decode_folded(Bytes::Borrowed(chunk), &piece, buffer)
            } else {
                inner.decode_piece(Bytes::Borrowed(chunk), piece.clone(), buffer)
            };
            decoded.map_err(|error| error.in_inner_chunk(&coords))?;
        }
        Ok(())
    }

    /// Decodes a piece of a whole shard in memory.
    pub fn decode_piece(&self, data: &Bytes<'_>, piece: &Piece, buffer: Buffer) -> Result<()> {
        let index = self.index_of(data)?;
        let split = Split::new(piece, self.inner_shape());
        let wanted = self.wanted(&index, &split, buffer)?;
        self.decode_wanted(data, 0, &wanted, &split, buffer)
    }

    /// The index of a whole shard in memory.
    pub fn index_of(&self, data: &[u8]) -> Result<Index> {
        let size = data.len() as u64;
        if size < self.index_nbytes {
            return Err(self.too_short(size));
        }
        let nbytes = self.index_nbytes as usize;
        let index = if self.index_at_start {
            &data[..nbytes]
        } else {
            &data[data.len() - nbytes..]
        };
        self.decode_index(Bytes::Borrowed(index), Some(size))
    }
}

fn slice(data: &[u8], base: u64, entry: Entry) -> Result<&[u8]> {
    let from = entry.offset.checked_sub(base).and_then(|n| usize::try_from(n).ok());
    let to = entry.end().checked_sub(base).and_then(|n| usize::try_from(n).ok());
    from.zip(to)
        .and_then(|(from, to)| data.get(from..to))
        .ok_or_else(|| Error::internal("an inner chunk lies outside the bytes that were read for it"))
}
