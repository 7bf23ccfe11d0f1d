//! `sharding_indexed`: a chunk (the shard) stored as inner chunks, each encoded alone, and an index of where they lie.
//!
//! Spec: <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html>
//!
//! ```json
//! {"name": "sharding_indexed", "configuration": {
//!     "chunk_shape": [64, 64],
//!     "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd", "configuration": {"level": 0}}],
//!     "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
//!     "index_location": "end"}}
//! ```

mod index;
mod read;
mod write;

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

pub use index::{Entry, Index};
pub use read::Wanted;
pub use write::{Block, InnerChunk, assemble};

use super::{ArrayBytesCodec, Codec, Document, Resolve, Stage};
use crate::chain::{Chain, Encoding};
use crate::copy::Buffer;
use crate::dtype::Layout;
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::limits::{MAX_RANK, checked_product};
use crate::scratch::{self, Bytes};
use crate::select::Piece;
use crate::spec::ChunkSpec;
use crate::store::ByteRange;

pub struct Sharding {
    spec: ChunkSpec,
    inner: Arc<Chain>,
    index: Chain,
    index_nbytes: u64,
    index_at_start: bool,
    /// Inner chunks along each axis.
    counts: Vec<u64>,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec, depth: usize, resolve: Resolve<'_>) -> Result<Stage> {
    document.only(&["chunk_shape", "codecs", "index_codecs", "index_location"])?;
    let inner_shape = chunk_shape(document, spec)?;
    let codecs = |key| -> Result<&Vec<Value>> {
        document
            .get(key)
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty())
            .ok_or_else(|| document.invalid(key, "a list of codecs"))
    };
    let index_at_start = match document.get("index_location") {
        None => false,
        Some(Value::String(s)) if s == "end" => false,
        Some(Value::String(s)) if s == "start" => true,
        Some(_) => return Err(document.invalid("index_location", "\"start\" or \"end\"")),
    };
    let counts: Vec<u64> = spec
        .shape
        .iter()
        .zip(&inner_shape)
        .map(|(outer, inner)| outer / inner)
        .collect();
    let inner_spec = spec.with_shape(inner_shape)?;
    let inner = Chain::compile(codecs("codecs")?, inner_spec, depth + 1, resolve)
        .map_err(|error| error.under("/configuration/codecs"))?;

    let mut index_shape: Vec<u64> = counts.iter().copied().chain([2]).collect();
    if index_shape.len() > MAX_RANK {
        // One axis more than an array may have: two as one hold the same entries in the same order.
        let first = index_shape.remove(0);
        index_shape[0] = checked_product(first, &index_shape[..1])?;
    }
    let index_spec = ChunkSpec::new(index_shape, Layout::uint64(), &u64::MAX.to_ne_bytes())?;
    let native_only: Resolve<'_> = &|json, _| {
        Err(Error::unsupported(format!(
            "codec {json} in index_codecs is not built in"
        )))
    };
    let index = Chain::compile(codecs("index_codecs")?, index_spec, depth + 1, native_only)
        .map_err(|error| error.under("/configuration/index_codecs"))?;
    let index_nbytes = index.encoded_nbytes().ok_or_else(|| {
        Error::metadata("\"index_codecs\" must be of fixed size (no compressor): readers find the index by its size")
    })?;
    Ok(Stage::ArrayBytes(Arc::new(Sharding {
        spec: spec.clone(),
        inner: Arc::new(inner),
        index,
        index_nbytes,
        index_at_start,
        counts,
    })))
}

fn chunk_shape(document: &Document<'_>, spec: &ChunkSpec) -> Result<Vec<u64>> {
    let invalid = || document.invalid("chunk_shape", "a list of positive integers, one for each axis");
    let list = document
        .get("chunk_shape")
        .and_then(Value::as_array)
        .ok_or_else(invalid)?;
    let shape: Option<Vec<u64>> = list.iter().map(|n| n.as_u64().filter(|&n| n > 0)).collect();
    let shape = shape.filter(|shape| shape.len() == spec.rank()).ok_or_else(invalid)?;
    if spec.shape.iter().zip(&shape).any(|(outer, inner)| outer % inner != 0) {
        return Err(Error::metadata(format!(
            "\"chunk_shape\" {shape:?} does not divide the shard's shape {:?}",
            spec.shape
        )));
    }
    checked_product(16, &shape)?;
    Ok(shape)
}

impl Sharding {
    pub fn inner(&self) -> &Arc<Chain> {
        &self.inner
    }

    pub fn inner_shape(&self) -> &[u64] {
        &self.inner.spec().shape
    }

    /// Inner chunks of the shard.
    pub fn inner_count(&self) -> u64 {
        self.counts.iter().product()
    }

    /// The number of the inner chunk at `coords`, in C order: its place in the index.
    pub fn inner_number(&self, coords: &[u64]) -> u64 {
        coords
            .iter()
            .zip(&self.counts)
            .fold(0, |n, (&coord, &count)| n * count + coord)
    }

    pub fn index_nbytes(&self) -> u64 {
        self.index_nbytes
    }

    pub fn index_at_start(&self) -> bool {
        self.index_at_start
    }

    /// Where the index of a shard lies that takes the whole value, or `window` (offset, nbytes) of it.
    pub fn index_range(&self, window: Option<(u64, u64)>) -> Result<ByteRange> {
        let nbytes = self.index_nbytes;
        match window {
            None if self.index_at_start => Ok(ByteRange::Range { offset: 0, nbytes }),
            None => Ok(ByteRange::Suffix { nbytes }),
            Some((_, size)) if size < nbytes => Err(self.too_short(size)),
            Some((offset, _)) if self.index_at_start => Ok(ByteRange::Range { offset, nbytes }),
            Some((offset, size)) => Ok(ByteRange::Range {
                offset: offset + size - nbytes,
                nbytes,
            }),
        }
    }

    fn too_short(&self, size: u64) -> Error {
        Error::truncated(format!(
            "a shard of {size} bytes has no room for its index of {}",
            self.index_nbytes
        ))
    }

    /// Decodes an index; `shard_nbytes` is the shard's size where it is known.
    pub fn decode_index(&self, data: Bytes<'_>, shard_nbytes: Option<u64>) -> Result<Index> {
        let items = self.index.decode(data)?;
        Ok(Index::new(items, shard_nbytes))
    }

    pub fn encode_index(&self, entries: &[Option<Entry>]) -> Result<Bytes<'static>> {
        let mut items = scratch::take(entries.len() * 16)?;
        for (item, entry) in items.chunks_exact_mut(16).zip(entries) {
            let (offset, nbytes) = entry.map_or((u64::MAX, u64::MAX), |e| (e.offset, e.nbytes));
            item[..8].copy_from_slice(&offset.to_ne_bytes());
            item[8..].copy_from_slice(&nbytes.to_ne_bytes());
        }
        let data = self.index.encode(&items, Encoding { keep_empty: true })?;
        data.ok_or_else(|| Error::internal("the shard index came out empty"))
    }
}

impl Codec for Sharding {
    fn name(&self) -> &str {
        "sharding_indexed"
    }

    fn to_json(&self) -> Value {
        json!({"name": "sharding_indexed", "configuration": {
            "chunk_shape": self.inner_shape(),
            "codecs": self.inner.to_json(),
            "index_codecs": self.index.to_json(),
            "index_location": if self.index_at_start { "start" } else { "end" },
        }})
    }

    fn takes_variable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayBytesCodec for Sharding {
    fn encoded_nbytes(&self) -> Option<u64> {
        None
    }

    /// Twice what this encoder would need: shards of others may hold gaps.
    fn max_encoded_nbytes(&self) -> u64 {
        let chunks = self.inner.max_encoded_nbytes().saturating_mul(self.inner_count());
        chunks
            .saturating_add(self.index_nbytes)
            .saturating_mul(2)
            .saturating_add(1 << 16)
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        let data = self.encode_items(&items, Encoding { keep_empty: false })?;
        data.ok_or_else(|| Error::absent("every inner chunk is all fill value"))
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        self.decode_with(data, &Heap::default())
    }

    fn decode_with<'a>(&self, data: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        let mut items = scratch::take(crate::limits::in_memory(self.spec.nbytes())?)?;
        // SAFETY: the buffer holds the whole shard in C order, and the caller keeps the heap with its items.
        let buffer = unsafe { Buffer::new(items.as_mut_ptr()).with_heap(heap) };
        self.decode_piece(&data, &Piece::whole(&self.spec.shape, &self.spec.strides()), buffer)?;
        Ok(items.into())
    }

    fn sharding(&self) -> Option<&Sharding> {
        Some(self)
    }
}
