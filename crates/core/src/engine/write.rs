//! Write jobs: a chunk from the caller's buffer to a new value of its key.
//!
//! A complete chunk is never read first. A partial one is read, merged and encoded again; of a partial shard only the
//! inner chunks that are touched, and the others stay encoded. A chunk has several pieces where writes were collected:
//! it is then read and put once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::job::{Input, Job, PartCoding, Step, WORK_NBYTES, compact, is_sliced, unexpected};
use super::unit::{DecodeUnit, Destination, EncodeUnit};
use crate::chain::{Chain, Encoding, Gathered};
use crate::codec::sharding_indexed::{Block, Entry, Index, InnerChunk, Sharding, assemble};
use crate::copy::{self, Buffer, Direction};
use crate::error::Result;
use crate::heap::Heap;
use crate::layers::{self, Layer, LayerSplit};
use crate::scratch::{self, Bytes};
use crate::select::Piece;
use crate::spec::c_strides;
use crate::store::{ByteRange, Part};

/// The inner chunks of a new shard, set by the jobs that encode them.
#[derive(Clone)]
pub struct Slots(Arc<Mutex<Vec<InnerChunk>>>);

impl Slots {
    /// All empty.
    pub fn new(count: u64) -> Self {
        Slots(Arc::new(Mutex::new(vec![InnerChunk::Empty; count as usize])))
    }

    pub fn set(&self, chunks: Vec<(u64, InnerChunk)>) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, chunk) in chunks {
            slots[number as usize] = chunk;
        }
    }

    pub fn take(&self) -> Vec<InnerChunk> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the write jobs of a call share.
#[derive(Clone, Copy)]
pub struct WriteContext {
    pub encoding: Encoding,
    /// Whether the store can put ranges of the old value into the new one. If not, an old shard is fetched whole.
    pub keeps_ranges: bool,
    /// Whether a value that was read is replaced on condition that it is still there.
    pub conditional: bool,
}

/// Writes pieces of a chunk.
pub struct WriteChunk {
    chain: Arc<Chain>,
    context: WriteContext,
    /// In the folded chunk's axes.
    layers: Vec<Layer>,
    /// The chunk's extent inside the array, in the folded chunk's axes.
    extent: Vec<u64>,
    /// Whether the layers leave nothing of that out.
    complete: bool,
    state: State,
}

enum State {
    Start,
    /// The whole old value was asked for.
    Old,
    /// Its items are being decoded by stages that must be awaited.
    OldItems(Box<Gathered>),
    Index,
    /// The whole old shard was asked for.
    OldShard,
    /// The old bytes of inner chunks that are covered in part.
    OldInner {
        slots: Slots,
        ordinals: Vec<u64>,
    },
    Encoding(Slots),
    Finished,
}

impl WriteChunk {
    /// `extent` is the part of the chunk inside the array; layers that cover it are complete.
    pub fn new(mut context: WriteContext, chain: Arc<Chain>, mut layers: Vec<Layer>, extent: &[u64]) -> Self {
        layers::drop_hidden(&mut layers, extent);
        for layer in &mut layers {
            layer.piece = chain.fold_piece(std::mem::take(&mut layer.piece));
        }
        let extent = chain.fold_shape(extent);
        let complete = match chain.open_sharding() {
            Some(sharding) if layers.len() > 1 => cover_shard(sharding, &layers, &extent),
            _ => layers::cover(&layers, &extent),
        };
        // No store deletes on condition: what was read is put even where nothing but fill value is left of it.
        context.encoding.keep_empty |= context.conditional && !complete;
        WriteChunk {
            chain,
            context,
            layers,
            extent,
            complete,
            state: State::Start,
        }
    }

    fn start(&mut self) -> Result<Step> {
        let chain = self.chain.clone();
        match chain.open_sharding().filter(|sharding| !sharding.inner().suspends()) {
            Some(sharding) if self.complete => {
                let split = LayerSplit::over(&self.layers, sharding.inner_shape());
                let slots = Slots::new(sharding.inner_count());
                self.encode_inner(sharding, split, slots, HashMap::new())
            }
            Some(_) if !self.context.keeps_ranges => {
                self.state = State::OldShard;
                Ok(Step::Need(vec![ByteRange::Whole]))
            }
            Some(sharding) => {
                self.state = State::Index;
                Ok(Step::NeedIndex(sharding.index_range(None)?))
            }
            None if self.complete => self.encode(None),
            None => {
                if let ([layer], true) = (&self.layers[..], chain.open_partial().encode)
                    && is_sliced(&layer.piece)
                {
                    return self.encode_part(layer);
                }
                self.state = State::Old;
                Ok(Step::Need(vec![ByteRange::Whole]))
            }
        }
    }

    /// Merges, encodes and puts a chunk that is stored as a whole.
    fn encode(&mut self, old: Option<Bytes<'static>>) -> Result<Step> {
        if self.chain.suspends() {
            if let Some(data) = old {
                return self.decode_old(data);
            }
            let gathered = self.chain.gather(None, &self.layers)?;
            return self.encode_unit(gathered);
        }
        let Gathered { items, heap: _heap } = self.chain.gather(old, &self.layers)?;
        self.state = State::Finished;
        Ok(match self.chain.encode_folded(items.into(), self.context.encoding)? {
            Some(data) => Step::Put(vec![Part::New(data)]),
            None => Step::Delete,
        })
    }

    /// The codec merges and writes its part of the value by itself.
    fn encode_part(&self, layer: &Layer) -> Result<Step> {
        let (piece, shape) = compact(&layer.piece);
        let layout = &self.chain.spec().layout;
        let mut items = scratch::take(crate::limits::in_memory(piece.items() * layout.item_nbytes as u64)?)?;
        let strides = c_strides(&shape, layout.item_nbytes);
        // SAFETY: `items` is the whole compact box; the buffer's maker vouches for the piece.
        unsafe {
            let (to, from) = (items.as_mut_ptr(), layer.buffer.start());
            copy::transfer(Direction::Gather, to, &strides, from, &piece, layout, false);
        }
        let items = self.chain.spec().to_wire(items.into())?;
        let part = PartCoding::new(self.chain.stage(0), &layer.piece, Some(items));
        Ok(Step::CodePart(part))
    }

    fn decode_old(&mut self, data: Bytes<'static>) -> Result<Step> {
        let spec = self.chain.folded_spec();
        let mut old = Box::new(Gathered {
            items: scratch::take(crate::limits::in_memory(spec.nbytes())?)?,
            heap: Heap::default(),
        });
        // SAFETY: the scratch buffer holds the folded chunk, and this job keeps it and the heap, in their box, until the
        // unit is done.
        let buffer = unsafe { Buffer::new(old.items.as_mut_ptr()).with_heap(&old.heap) };
        let whole = Piece::whole(&spec.shape, &spec.strides());
        self.state = State::OldItems(old);
        Ok(Step::Split(vec![Box::new(DecodeUnit::new(
            self.chain.clone(),
            data,
            whole,
            buffer,
        ))]))
    }

    fn encode_unit(&mut self, Gathered { items, heap }: Gathered) -> Result<Step> {
        self.state = State::Finished;
        let unit = EncodeUnit::new(
            self.chain.clone(),
            items.into(),
            Arc::new(heap),
            self.context.encoding,
            Destination::Key,
        );
        Ok(Step::Split(vec![Box::new(unit)]))
    }

    /// The old items are there: lay the new ones over them.
    fn merge(&mut self, mut old: Gathered) -> Result<Step> {
        self.chain.lay_over(&mut old.items, &self.layers)?;
        self.encode_unit(old)
    }

    fn sharding(&self) -> Result<&Sharding> {
        self.chain.open_sharding().ok_or_else(unexpected)
    }

    /// The old index is there (or the shard is new): ask for the inner chunks that are covered in part.
    fn index(&mut self, index: Option<&Index>) -> Result<Step> {
        let chain = self.chain.clone();
        let sharding = chain.open_sharding().ok_or_else(unexpected)?;
        let slots = Slots::new(sharding.inner_count());
        if let Some(index) = index {
            let mut old = Vec::new();
            for number in 0..sharding.inner_count() {
                if let Some(entry) = index.get(number)? {
                    old.push((number, InnerChunk::Old(entry)));
                }
            }
            slots.set(old);
        }
        let split = LayerSplit::over(&self.layers, sharding.inner_shape());
        let partial = match index {
            Some(index) => self.covered_in_part(sharding, index, &split)?,
            None => Vec::new(),
        };
        if partial.is_empty() {
            return self.encode_inner(sharding, split, slots, HashMap::new());
        }
        let range = |&(_, entry): &(u64, Entry)| ByteRange::Range {
            offset: entry.offset,
            nbytes: entry.nbytes,
        };
        let ranges = partial.iter().map(range).collect();
        self.state = State::OldInner {
            slots,
            ordinals: partial.into_iter().map(|(ordinal, _)| ordinal).collect(),
        };
        Ok(Step::Need(ranges))
    }

    /// The whole old shard is there: its inner chunks are parts of the new one, or are merged.
    fn old_shard(&mut self, data: Bytes<'static>) -> Result<Step> {
        let chain = self.chain.clone();
        let sharding = chain.open_sharding().ok_or_else(unexpected)?;
        let index = sharding.index_of(&data)?;
        let split = LayerSplit::over(&self.layers, sharding.inner_shape());
        let mut old = HashMap::new();
        for (ordinal, Entry { offset, nbytes }) in self.covered_in_part(sharding, &index, &split)? {
            let (from, to) = (offset as usize, (offset + nbytes) as usize);
            old.insert(ordinal, Bytes::Borrowed(&data[from..to]).into_owned()?);
        }
        let block: Block = Arc::new(data);
        let mut kept = Vec::new();
        for number in 0..sharding.inner_count() {
            if let Some(entry) = index.get(number)? {
                let (from, to) = (entry.offset as usize, entry.end() as usize);
                kept.push((
                    number,
                    InnerChunk::New {
                        block: block.clone(),
                        from,
                        to,
                    },
                ));
            }
        }
        let slots = Slots::new(sharding.inner_count());
        slots.set(kept);
        self.encode_inner(sharding, split, slots, old)
    }

    fn covered_in_part(&self, sharding: &Sharding, index: &Index, split: &LayerSplit) -> Result<Vec<(u64, Entry)>> {
        let (mut coords, mut layers) = (Vec::new(), Vec::new());
        let mut partial = Vec::new();
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut layers);
            if let Some(entry) = index.get(sharding.inner_number(&coords))?
                && !cover_inner(&self.extent, sharding.inner_shape(), &coords, &layers)
            {
                partial.push((ordinal, entry));
            }
        }
        Ok(partial)
    }

    /// Encodes the inner chunks of `split` in jobs of about a work item each.
    fn encode_inner(
        &mut self,
        sharding: &Sharding,
        split: LayerSplit,
        slots: Slots,
        old: HashMap<u64, Bytes<'static>>,
    ) -> Result<Step> {
        let per_job = (WORK_NBYTES / sharding.inner().spec().nbytes().max(1)).max(1);
        let count = split.len();
        let shard = Arc::new(ShardWrite {
            chain: self.chain.clone(),
            split,
            slots: slots.clone(),
            old,
            encoding: self.context.encoding,
        });
        if count <= per_job {
            shard.encode(0, count)?;
            return self.assemble(&slots);
        }
        self.state = State::Encoding(slots);
        let from = (0..count).step_by(usize::try_from(per_job).unwrap_or(usize::MAX));
        let job = |from: u64| {
            let to = (from + per_job).min(count);
            Box::new(EncodeInner {
                shard: shard.clone(),
                from,
                to,
            }) as Box<dyn Job>
        };
        Ok(Step::Split(from.map(job).collect()))
    }

    fn assemble(&mut self, slots: &Slots) -> Result<Step> {
        let parts = assemble(self.sharding()?, &slots.take())?;
        self.state = State::Finished;
        Ok(match parts {
            Some(parts) => Step::Put(parts),
            None => Step::Delete,
        })
    }
}

impl Job for WriteChunk {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match (std::mem::replace(&mut self.state, State::Finished), input) {
            (State::Start, Input::Start) => self.start(),
            (State::Old, Input::Missing) => self.encode(None),
            (State::Old, Input::Found(mut found)) => self.encode(found.parts.pop()),
            (State::OldItems(old), Input::Joined) => self.merge(*old),
            (State::Index | State::OldShard, Input::Missing) => self.index(None),
            (State::OldShard, Input::Found(mut found)) => self.old_shard(found.parts.pop().ok_or_else(unexpected)?),
            (State::Index, Input::Found(mut found)) => {
                let data = found.parts.pop().ok_or_else(unexpected)?;
                let index = self.sharding()?.decode_index(data, found.value_nbytes)?;
                self.index(Some(&index))
            }
            (State::OldInner { slots, ordinals }, Input::Found(found)) => {
                let chain = self.chain.clone();
                let sharding = chain.open_sharding().ok_or_else(unexpected)?;
                let split = LayerSplit::over(&self.layers, sharding.inner_shape());
                self.encode_inner(sharding, split, slots, ordinals.into_iter().zip(found.parts).collect())
            }
            (State::Encoding(slots), Input::Joined) => self.assemble(&slots),
            (State::Finished, Input::Joined) => Ok(Step::Done),
            _ => Err(unexpected()),
        }
    }
}

/// Whether layers cover the part of a shard that lies inside the array. Inner chunk by inner chunk: to have a look at
/// the shard in one go may take more memory than to write it.
fn cover_shard(sharding: &Sharding, layers: &[Layer], extent: &[u64]) -> bool {
    let inner_shape = sharding.inner_shape();
    let inside = extent.iter().zip(inner_shape);
    let split = LayerSplit::over(layers, inner_shape);
    let (mut coords, mut found) = (Vec::new(), Vec::new());
    split.len() == inside.map(|(&extent, &inner)| extent.div_ceil(inner)).product::<u64>()
        && (0..split.len()).all(|ordinal| {
            split.get(ordinal, &mut coords, &mut found);
            cover_inner(extent, inner_shape, &coords, &found)
        })
}

/// Whether layers cover the part of inner chunk `coords` that lies inside the array.
fn cover_inner(extent: &[u64], inner_shape: &[u64], coords: &[u64], layers: &[Layer]) -> bool {
    let inside = extent.iter().zip(inner_shape).zip(coords);
    let inside: Vec<u64> = inside
        .map(|((&extent, &inner), &coord)| inner.min(extent.saturating_sub(coord * inner)))
        .collect();
    layers::cover(layers, &inside)
}

/// A shard of which inner chunks are encoded.
struct ShardWrite {
    chain: Arc<Chain>,
    split: LayerSplit,
    slots: Slots,
    /// Of those that are covered only in part.
    old: HashMap<u64, Bytes<'static>>,
    encoding: Encoding,
}

impl ShardWrite {
    fn encode(&self, from: u64, to: u64) -> Result<()> {
        let sharding = self.chain.open_sharding().ok_or_else(unexpected)?;
        let encoded = sharding.encode_inner(
            &self.split,
            &mut (from..to),
            &|ordinal| self.old.get(&ordinal).map(|bytes| &**bytes),
            self.encoding,
        )?;
        self.slots.set(encoded);
        Ok(())
    }
}

struct EncodeInner {
    shard: Arc<ShardWrite>,
    from: u64,
    to: u64,
}

impl Job for EncodeInner {
    fn advance(&mut self, _: Input) -> Result<Step> {
        self.shard.encode(self.from, self.to)?;
        Ok(Step::Done)
    }
}

/// Stores a value that is encoded already, or deletes it.
pub struct PutValue(pub Option<Bytes<'static>>);

impl Job for PutValue {
    fn advance(&mut self, _: Input) -> Result<Step> {
        Ok(self
            .0
            .take()
            .map_or(Step::Delete, |data| Step::Put(vec![Part::New(data)])))
    }
}
