//! Writing a shard: inner chunks in C order, so that the same items give the same bytes, and the index.

use std::sync::Arc;

use super::{Entry, Sharding};
use crate::chain::Encoding;
use crate::copy::Buffer;
use crate::error::{Error, Result};
use crate::layers::{Layer, LayerSplit};
use crate::scratch::Bytes;
use crate::select::Piece;
use crate::store::{Part, concatenate};

/// Bytes that several parts of a new shard lie in.
pub type Block = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Where the bytes of an inner chunk of a new shard are.
#[derive(Clone)]
pub enum InnerChunk {
    /// Not stored: all fill value.
    Empty,
    /// Still encoded in the shard that is replaced.
    Old(Entry),
    /// In memory: in a block of newly encoded inner chunks, or in an old shard that was fetched whole.
    New { block: Block, from: usize, to: usize },
}

impl InnerChunk {
    /// Its bytes, where they are in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            InnerChunk::New { block, from, to } => Some(&(**block).as_ref()[*from..*to]),
            _ => None,
        }
    }
}

/// A run of a block, as bytes to store.
struct Run {
    block: Block,
    from: usize,
    to: usize,
}

impl AsRef<[u8]> for Run {
    fn as_ref(&self) -> &[u8] {
        &(*self.block).as_ref()[self.from..self.to]
    }
}

/// By address alone: the same block may carry two vtables.
fn same_block(a: &Block, b: &Block) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

/// The parts of a new shard in order, neighbours merged; None where every inner chunk is empty.
pub fn assemble(sharding: &Sharding, chunks: &[InnerChunk]) -> Result<Option<Vec<Part>>> {
    let mut at = if sharding.index_at_start() {
        sharding.index_nbytes()
    } else {
        0
    };
    let mut entries = Vec::with_capacity(chunks.len());
    let mut runs: Vec<InnerChunk> = Vec::new();
    for chunk in chunks {
        let nbytes = match chunk {
            InnerChunk::Empty => {
                entries.push(None);
                continue;
            }
            InnerChunk::Old(entry) => entry.nbytes,
            InnerChunk::New { from, to, .. } => (to - from) as u64,
        };
        entries.push(Some(Entry { offset: at, nbytes }));
        at = at
            .checked_add(nbytes)
            .ok_or_else(|| Error::limit("a shard of more than 2^64 bytes"))?;
        match (runs.last_mut(), chunk) {
            (Some(InnerChunk::Old(last)), InnerChunk::Old(next)) if last.end() == next.offset => {
                last.nbytes += next.nbytes;
            }
            (
                Some(InnerChunk::New {
                    block: last, to: end, ..
                }),
                InnerChunk::New { block, from, to },
            ) if same_block(last, block) && *end == *from => *end = *to,
            _ => runs.push(chunk.clone()),
        }
    }
    if runs.is_empty() {
        return Ok(None);
    }
    let index = Part::New(sharding.encode_index(&entries)?);
    let mut parts = Vec::with_capacity(runs.len() + 1);
    let body = runs.into_iter().filter_map(|run| match run {
        InnerChunk::Empty => None,
        InnerChunk::Old(Entry { offset, nbytes }) => Some(Part::Old { offset, nbytes }),
        InnerChunk::New { block, from, to } => Some(Part::New(Bytes::foreign(Box::new(Run { block, from, to })))),
    });
    if sharding.index_at_start() {
        parts.push(index);
        parts.extend(body);
    } else {
        parts.extend(body);
        parts.push(index);
    }
    Ok(Some(parts))
}

impl Sharding {
    /// Encodes the inner chunks `ordinals` of a split. `old` gives the encoded bytes of those that the layers cover
    /// only in part. Each comes with its number in the index.
    pub fn encode_inner<'o>(
        &self,
        split: &LayerSplit,
        ordinals: &mut dyn Iterator<Item = u64>,
        old: &dyn Fn(u64) -> Option<&'o [u8]>,
        encoding: Encoding,
    ) -> Result<Vec<(u64, InnerChunk)>> {
        let (mut coords, mut layers) = (Vec::new(), Vec::new());
        let mut block = Vec::new();
        let mut ranges = Vec::new();
        for ordinal in ordinals {
            split.get(ordinal, &mut coords, &mut layers);
            let number = self.inner_number(&coords);
            let encoded = self
                .inner()
                .encode_layers(old(ordinal).map(Bytes::Borrowed), &layers, encoding)
                .map_err(|error| error.in_inner_chunk(&coords))?;
            let from = block.len();
            if let Some(bytes) = &encoded {
                block
                    .try_reserve(bytes.len())
                    .map_err(|_| Error::memory(bytes.len() as u64))?;
                block.extend_from_slice(bytes);
            }
            ranges.push((number, encoded.is_some(), from, block.len()));
        }
        let block: Block = Arc::new(block);
        let chunk = |(number, stored, from, to)| match stored {
            true => (
                number,
                InnerChunk::New {
                    block: block.clone(),
                    from,
                    to,
                },
            ),
            false => (number, InnerChunk::Empty),
        };
        Ok(ranges.into_iter().map(chunk).collect())
    }

    /// Encodes a whole shard in memory; None where every inner chunk is empty.
    pub fn encode_items(&self, items: &[u8], encoding: Encoding) -> Result<Option<Bytes<'static>>> {
        let whole = Layer {
            piece: Piece::whole(&self.spec.shape, &self.spec.strides()),
            // SAFETY: gathering only reads, and `items` is the whole shard in C order (the chain has checked).
            buffer: unsafe { Buffer::new(items.as_ptr().cast_mut()) },
        };
        let split = LayerSplit::over(&[whole], self.inner_shape());
        let encoded = self.encode_inner(&split, &mut (0..split.len()), &|_| None, encoding)?;
        let mut chunks = vec![InnerChunk::Empty; encoded.len()];
        for (number, chunk) in encoded {
            chunks[number as usize] = chunk;
        }
        let Some(parts) = assemble(self, &chunks)? else {
            return Ok(None);
        };
        concatenate(parts).map(Some)
    }
}
