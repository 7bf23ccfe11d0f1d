//! Write jobs: a chunk from the caller's buffer to a new value of its key.
//!
//! A complete chunk is never read first. A partial one is read, merged and encoded again; of a partial shard only the
//! inner chunks that the piece touches, and the others stay encoded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::job::{Input, Job, PartCoding, Step, WORK_NBYTES, compact, is_sliced, unexpected};
use super::unit::{DecodeUnit, Destination, EncodeUnit};
use crate::chain::{Chain, Encoding, Gathered};
use crate::codec::sharding_indexed::{Block, Entry, Index, InnerChunk, Sharding, assemble};
use crate::copy::{self, Buffer, Direction};
use crate::error::Result;
use crate::heap::Heap;
use crate::scratch::{self, Bytes};
use crate::select::{Piece, Split};
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
    pub buffer: Buffer,
    pub encoding: Encoding,
    /// Whether the store can put ranges of the old value into the new one. If not, an old shard is fetched whole.
    pub keeps_ranges: bool,
    /// Whether a value that was read is replaced on condition that it is still there.
    pub conditional: bool,
}

/// Writes a piece of a chunk.
pub struct WriteChunk {
    chain: Arc<Chain>,
    context: WriteContext,
    /// In the folded chunk's axes.
    piece: Piece,
    /// The chunk's extent inside the array, in the folded chunk's axes.
    extent: Vec<u64>,
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
    /// `extent` is the part of the chunk inside the array; a piece that covers it is complete.
    pub fn new(context: WriteContext, chain: Arc<Chain>, piece: Piece, extent: &[u64]) -> Self {
        let (piece, extent) = (chain.fold_piece(piece), chain.fold_shape(extent));
        let mut chunk = WriteChunk {
            chain,
            context,
            piece,
            extent,
            state: State::Start,
        };
        // No store deletes on condition: what was read is put even where nothing but fill value is left of it.
        chunk.context.encoding.keep_empty |= context.conditional && !chunk.complete();
        chunk
    }

    fn complete(&self) -> bool {
        self.piece.covers(&self.extent)
    }

    fn start(&mut self) -> Result<Step> {
        let chain = self.chain.clone();
        match chain.open_sharding().filter(|sharding| !sharding.inner().suspends()) {
            Some(sharding) if self.complete() => {
                let split = Split::new(&self.piece, sharding.inner_shape());
                let slots = Slots::new(sharding.inner_count());
                self.encode_inner(sharding, split, slots, HashMap::new())
            }
            Some(_) if !self.context.keeps_ranges => {
                self.state = State::OldShard;
                Ok(Step::Need(vec![ByteRange::Whole]))
            }
            Some(sharding) => {
                self.state = State::Index;
                Ok(Step::Need(vec![sharding.index_range(None)?]))
            }
            None if self.complete() => self.encode(None),
            None if chain.open_partial().encode && is_sliced(&self.piece) => self.encode_part(),
            None => {
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
            let gathered = self.chain.gather(None, &self.piece, true, self.context.buffer)?;
            return self.encode_unit(gathered);
        }
        let Gathered { items, heap: _heap } =
            self.chain
                .gather(old, &self.piece, self.complete(), self.context.buffer)?;
        self.state = State::Finished;
        Ok(match self.chain.encode_folded(items.into(), self.context.encoding)? {
            Some(data) => Step::Put(vec![Part::New(data)]),
            None => Step::Delete,
        })
    }

    /// The codec merges and writes its part of the value by itself.
    fn encode_part(&mut self) -> Result<Step> {
        let (piece, shape) = compact(&self.piece);
        let layout = &self.chain.spec().layout;
        let mut items = scratch::take(crate::limits::in_memory(piece.items() * layout.item_nbytes as u64)?)?;
        let strides = c_strides(&shape, layout.item_nbytes);
        // SAFETY: `items` is the whole compact box; the buffer's maker vouches for the piece.
        unsafe {
            let (to, from) = (items.as_mut_ptr(), self.context.buffer.start());
            copy::transfer(Direction::Gather, to, &strides, from, &piece, layout, false);
        }
        let items = self.chain.spec().to_wire(items.into())?;
        let part = PartCoding::new(self.chain.stage(0), &self.piece, Some(items));
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
        let spec = self.chain.folded_spec();
        // SAFETY: `items` is the whole folded chunk; the buffer's maker vouches for the piece.
        unsafe {
            let (to, from) = (old.items.as_mut_ptr(), self.context.buffer.start());
            copy::transfer(
                Direction::Gather,
                to,
                &spec.strides(),
                from,
                &self.piece,
                &spec.layout,
                false,
            );
        }
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
        let split = Split::new(&self.piece, sharding.inner_shape());
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
        let split = Split::new(&self.piece, sharding.inner_shape());
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

    fn covered_in_part(&self, sharding: &Sharding, index: &Index, split: &Split) -> Result<Vec<(u64, Entry)>> {
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut partial = Vec::new();
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut piece);
            if !covers_inner(&self.extent, sharding.inner_shape(), &coords, &piece)
                && let Some(entry) = index.get(sharding.inner_number(&coords))?
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
        split: Split,
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
            extent: self.extent.clone(),
            buffer: self.context.buffer,
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
                let split = Split::new(&self.piece, sharding.inner_shape());
                self.encode_inner(sharding, split, slots, ordinals.into_iter().zip(found.parts).collect())
            }
            (State::Encoding(slots), Input::Joined) => self.assemble(&slots),
            (State::Finished, Input::Joined) => Ok(Step::Done),
            _ => Err(unexpected()),
        }
    }
}

/// Whether a piece covers the part of inner chunk `coords` that lies inside the array.
fn covers_inner(extent: &[u64], inner_shape: &[u64], coords: &[u64], piece: &Piece) -> bool {
    let inside = extent.iter().zip(inner_shape).zip(coords);
    let inside: Vec<u64> = inside
        .map(|((&extent, &inner), &coord)| inner.min(extent.saturating_sub(coord * inner)))
        .collect();
    piece.covers(&inside)
}

/// A shard of which inner chunks are encoded.
struct ShardWrite {
    chain: Arc<Chain>,
    split: Split,
    slots: Slots,
    old: HashMap<u64, Bytes<'static>>,
    extent: Vec<u64>,
    buffer: Buffer,
    encoding: Encoding,
}

impl ShardWrite {
    fn encode(&self, from: u64, to: u64) -> Result<()> {
        let sharding = self.chain.open_sharding().ok_or_else(unexpected)?;
        let complete =
            |coords: &[u64], piece: &Piece| covers_inner(&self.extent, sharding.inner_shape(), coords, piece);
        let encoded = sharding.encode_inner(
            &self.split,
            &mut (from..to),
            &|ordinal| self.old.get(&ordinal).map(|bytes| &**bytes),
            &complete,
            self.buffer,
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
