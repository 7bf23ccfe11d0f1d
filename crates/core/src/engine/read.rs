//! Read jobs: a chunk by the cheapest way that its chain allows.
//!
//! - Items stored as they are: only the runs that the piece needs, unless they are very many, or blocks that stay in
//!   the cache.
//! - A shard that nothing wraps: its index, then the inner chunks, those that lie together in one request.
//! - Anything else: the whole value, decoded into scratch and scattered.

use std::sync::Arc;

use super::job::{Input, Job, PartCoding, Step, WORK_NBYTES, compact, is_sliced, unexpected};
use super::plain::PlainRead;
use super::unit::DecodeUnit;
use crate::chain::Chain;
use crate::codec::sharding_indexed::{Sharding, Wanted};
use crate::copy::{self, Buffer, Direction};
use crate::error::{Error, Kind, Result};
use crate::heap::Heap;
use crate::scratch::Bytes;
use crate::select::{Piece, Split};
use crate::spec::c_strides;
use crate::store::{Access, ByteRange, Found};

/// Where a chunk is stored.
#[derive(Clone, Copy)]
pub enum Place {
    /// It is the whole value; its number in the call is told where it is missing.
    Key { ordinal: u64 },
    /// It is an inner chunk.
    Window { offset: u64, nbytes: u64 },
}

impl Place {
    pub fn offset(self) -> u64 {
        match self {
            Place::Key { .. } => 0,
            Place::Window { offset, .. } => offset,
        }
    }

    fn nbytes(self) -> Option<u64> {
        match self {
            Place::Key { .. } => None,
            Place::Window { nbytes, .. } => Some(nbytes),
        }
    }
}

/// The key has no value: an error where that is none, or where a shard was there a moment ago.
pub fn missing(context: &ReadContext, place: Place) -> Result<()> {
    match place {
        Place::Key { ordinal } => (context.missing)(ordinal).map_or(Ok(()), Err),
        Place::Window { .. } => Err(vanished()),
    }
}

fn vanished() -> Error {
    Error::new(Kind::Conflict, "the shard vanished while it was read")
}

/// What the read jobs of a call share.
#[derive(Clone)]
pub struct ReadContext {
    pub buffer: Buffer,
    pub access: Access,
    /// Told when the key of a chunk has no value; `Some(error)` makes that an error.
    pub missing: Arc<dyn Fn(u64) -> Option<Error> + Send + Sync>,
}

/// Reads a piece of a chunk.
pub struct ReadChunk {
    context: ReadContext,
    chain: Arc<Chain>,
    /// In the folded chunk's axes.
    piece: Piece,
    place: Place,
    state: State,
}

enum State {
    Start,
    Whole,
    /// The codec reads its part of the value by itself.
    Part,
    Plain(Box<PlainRead>),
    Index,
    ShardValue,
    Groups {
        shard: Arc<ShardRead>,
        groups: Vec<Group>,
    },
    /// Jobs for inner chunks, each with the number of ranges that it waits for.
    Inside(Vec<(Box<dyn Job>, usize)>),
    Joining,
}

impl ReadChunk {
    /// A job for the chunk that is the whole value of its key; `ordinal` names it to `context.missing`.
    pub fn new(context: ReadContext, chain: Arc<Chain>, piece: Piece, ordinal: u64) -> Self {
        let piece = chain.fold_piece(piece);
        ReadChunk {
            context,
            chain,
            piece,
            place: Place::Key { ordinal },
            state: State::Start,
        }
    }

    fn inside(context: ReadContext, chain: Arc<Chain>, piece: Piece, place: Place) -> Self {
        let piece = chain.fold_piece(piece);
        ReadChunk {
            context,
            chain,
            piece,
            place,
            state: State::Start,
        }
    }

    fn whole_range(&self) -> ByteRange {
        match self.place {
            Place::Key { .. } => ByteRange::Whole,
            Place::Window { offset, nbytes } => ByteRange::Range { offset, nbytes },
        }
    }

    fn start(&mut self) -> Result<Step> {
        let chain = self.chain.clone();
        // Where requests cost much, a chunk that is wanted whole is one request; and then its size is checked.
        let spec = chain.folded_spec();
        let in_one = spec.nbytes() <= self.context.access.whole_nbytes && self.piece.covers(&spec.shape);
        if let Some(swap) = chain.open_plain().filter(|_| !in_one) {
            let nbytes = spec.nbytes();
            if let Some(size) = self.place.nbytes().filter(|&size| size != nbytes) {
                return Err(Error::size(format!(
                    "{size} bytes are stored where the chunk has {nbytes}"
                )));
            }
            let plain = PlainRead::new(self.context.clone(), &chain, &self.piece, self.place, swap);
            if !plain.is_scattered(&self.piece) {
                return self.start_plain(plain);
            }
        }
        if let (true, Place::Key { .. }) = (chain.open_partial().decode, self.place)
            && !self.piece.covers(&chain.spec().shape)
            && is_sliced(&self.piece)
        {
            self.state = State::Part;
            return Ok(Step::CodePart(PartCoding::new(chain.stage(0), &self.piece, None)));
        }
        if let Some(sharding) = chain.open_sharding() {
            if !in_one {
                let window = self.place.nbytes().map(|nbytes| (self.place.offset(), nbytes));
                self.state = State::Index;
                return Ok(Step::NeedIndex(sharding.index_range(window)?));
            }
            self.state = State::ShardValue;
        } else {
            self.state = State::Whole;
        }
        Ok(Step::Need(vec![self.whole_range()]))
    }

    fn start_plain(&mut self, mut plain: PlainRead) -> Result<Step> {
        if plain.is_large() {
            let parts = plain.share_out();
            self.state = State::Joining;
            return Ok(Step::Split(
                parts.into_iter().map(|part| Box::new(part) as Box<dyn Job>).collect(),
            ));
        }
        let needs = plain.needs();
        self.state = State::Plain(Box::new(plain));
        Ok(Step::Need(needs))
    }

    fn missing(&mut self) -> Result<Step> {
        missing(&self.context, self.place)?;
        // SAFETY: the buffer's maker vouches for the piece.
        unsafe { self.chain.spec().fill(self.context.buffer, &self.piece) };
        Ok(Step::Done)
    }

    /// The codec has given the items of the piece.
    fn part(&self, items: Bytes<'static>) -> Result<Step> {
        let (piece, shape) = compact(&self.piece);
        let layout = &self.chain.spec().layout;
        let heap = Heap::default();
        let items = self
            .chain
            .spec()
            .from_wire(items, piece.items(), self.context.buffer.heap().unwrap_or(&heap))?;
        let (strides, items) = (c_strides(&shape, layout.item_nbytes), items.as_ptr().cast_mut());
        // SAFETY: `items` has just been checked to be the whole compact box; the buffer's maker vouches for the piece.
        unsafe {
            let to = self.context.buffer.start();
            copy::transfer(Direction::Scatter, items, &strides, to, &piece, layout, false);
        }
        Ok(Step::Done)
    }

    fn whole(&mut self, data: Bytes<'static>) -> Result<Step> {
        if self.chain.suspends() {
            self.state = State::Joining;
            let piece = self.piece.clone();
            let unit = DecodeUnit::new(self.chain.clone(), data, piece, self.context.buffer);
            return Ok(Step::Split(vec![Box::new(unit)]));
        }
        self.chain.decode_folded(data, &self.piece, self.context.buffer)?;
        Ok(Step::Done)
    }

    fn shard(&self) -> Result<&Sharding> {
        self.chain.open_sharding().ok_or_else(unexpected)
    }

    /// The index has come: fill what is not stored, and ask for the rest in groups.
    fn index(&mut self, data: Bytes<'static>, value_nbytes: Option<u64>) -> Result<Step> {
        let sharding = self.shard()?;
        let index = sharding.decode_index(data, self.place.nbytes().or(value_nbytes))?;
        let split = Split::new(&self.piece, sharding.inner_shape());
        let wanted = sharding.wanted(&index, &split, self.context.buffer)?;
        if wanted.is_empty() {
            return Ok(Step::Done);
        }
        if self.reaches_inside(sharding) {
            return self.inside_each(&split, &wanted);
        }
        let groups = group(&wanted, sharding.inner().spec().nbytes(), self.context.access);
        let base = self.place.offset();
        let shard = Arc::new(ShardRead {
            chain: self.chain.clone(),
            split,
            buffer: self.context.buffer,
            base,
        });
        let decoded = wanted.len() as u64 * sharding.inner().spec().nbytes();
        if decoded <= WORK_NBYTES && !sharding.inner().suspends() {
            let ranges = groups.iter().map(|group| group.range(base)).collect();
            self.state = State::Groups { shard, groups };
            return Ok(Step::Need(ranges));
        }
        self.state = State::Joining;
        let job = |group| {
            Box::new(ReadGroup {
                shard: shard.clone(),
                group,
            }) as Box<dyn Job>
        };
        Ok(Step::Split(groups.into_iter().map(job).collect()))
    }

    /// Whether inner chunks are large and can be read in part: shards in shards, or items stored as they are.
    fn reaches_inside(&self, sharding: &Sharding) -> bool {
        let inner = sharding.inner();
        let openable = inner.open_sharding().is_some() || inner.open_plain().is_some();
        let partly = self.piece.items() < self.chain.folded_spec().items();
        openable && partly && inner.spec().nbytes() > 64 << 10
    }

    fn inside_each(&mut self, split: &Split, wanted: &[Wanted]) -> Result<Step> {
        let sharding = self.shard()?;
        let base = self.place.offset();
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(wanted.len());
        for w in wanted {
            split.get(w.ordinal, &mut coords, &mut piece);
            let place = Place::Window {
                offset: base + w.entry.offset,
                nbytes: w.entry.nbytes,
            };
            let job = ReadChunk::inside(self.context.clone(), sharding.inner().clone(), piece.clone(), place);
            jobs.push(Box::new(job));
        }
        if self.context.access.slow {
            return self.ask_for_each(jobs);
        }
        self.state = State::Joining;
        Ok(Step::Split(jobs))
    }

    /// Asks for what the first steps of several jobs need, in one step: what lies close then shares requests.
    fn ask_for_each(&mut self, jobs: Vec<Box<dyn Job>>) -> Result<Step> {
        let (mut ranges, mut waiting, mut begun) = (Vec::new(), Vec::new(), Vec::new());
        for mut job in jobs {
            match job.advance(Input::Start)? {
                Step::Need(more) => {
                    waiting.push((job, more.len()));
                    ranges.extend(more);
                }
                Step::Done => {}
                // What is large, or goes on with an index of its own, asks by itself.
                step => begun.push(Box::new(Begun { job, first: Some(step) }) as Box<dyn Job>),
            }
        }
        if begun.is_empty() && !ranges.is_empty() {
            self.state = State::Inside(waiting);
            return Ok(Step::Need(ranges));
        }
        let mut ranges = ranges.into_iter();
        for (job, count) in waiting {
            let first = Some(Step::Need(ranges.by_ref().take(count).collect()));
            begun.push(Box::new(Begun { job, first }));
        }
        self.state = State::Joining;
        Ok(Step::Split(begun))
    }

    /// A whole shard has come in one answer: share its inner chunks out.
    fn shard_value(&mut self, data: Bytes<'static>) -> Result<Step> {
        let sharding = self.shard()?;
        if sharding.inner().suspends() || self.chain.folded_spec().nbytes() <= 2 * WORK_NBYTES {
            return self.whole(data);
        }
        let index = sharding.index_of(&data)?;
        let split = Split::new(&self.piece, sharding.inner_shape());
        let wanted = sharding.wanted(&index, &split, self.context.buffer)?;
        let shard = Arc::new(ShardRead {
            chain: self.chain.clone(),
            split,
            buffer: self.context.buffer,
            base: 0,
        });
        self.state = State::Joining;
        shard.share_out(0, wanted, data)
    }
}

impl Job for ReadChunk {
    fn advance(&mut self, input: Input) -> Result<Step> {
        let Found {
            parts: mut ranges,
            value_nbytes,
        } = match input {
            Input::Start => return self.start(),
            Input::Missing => return self.missing(),
            Input::Joined => return Ok(Step::Done),
            Input::Found(found) => found,
            Input::Coded(Some(items)) => return self.part(items),
            Input::Coded(None) => return self.missing(),
        };
        match &mut self.state {
            State::Plain(plain) => plain.advance(ranges, value_nbytes),
            State::Inside(children) => {
                let children = std::mem::take(children);
                self.state = State::Joining;
                let mut ranges = ranges.into_iter();
                let answer = |(job, count): (Box<dyn Job>, usize)| {
                    let parts = ranges.by_ref().take(count).collect();
                    let input = Some(Input::Found(Found { parts, value_nbytes }));
                    Box::new(Answered { job, input }) as Box<dyn Job>
                };
                Ok(Step::Split(children.into_iter().map(answer).collect()))
            }
            State::Groups { shard, groups } => {
                for (group, data) in groups.iter().zip(ranges) {
                    shard.decode(group, &data)?;
                }
                Ok(Step::Done)
            }
            State::Index | State::Whole | State::ShardValue => {
                let data = ranges.pop().ok_or_else(unexpected)?;
                match self.state {
                    State::Index => self.index(data, value_nbytes),
                    State::ShardValue => self.shard_value(data),
                    _ => self.whole(data),
                }
            }
            State::Start | State::Part | State::Joining => Err(unexpected()),
        }
    }
}

/// A shard of which groups are read.
struct ShardRead {
    chain: Arc<Chain>,
    split: Split,
    buffer: Buffer,
    /// Where the shard begins in its value.
    base: u64,
}

impl ShardRead {
    fn sharding(&self) -> Result<&Sharding> {
        self.chain.open_sharding().ok_or_else(unexpected)
    }

    fn decode(&self, group: &Group, data: &[u8]) -> Result<()> {
        self.sharding()?
            .decode_wanted(data, group.offset, &group.wanted, &self.split, self.buffer)
    }

    /// Jobs of a work item each for inner chunks whose bytes are in memory: `data` is the shard from `offset` on.
    fn share_out(self: &Arc<Self>, offset: u64, wanted: Vec<Wanted>, data: Bytes<'static>) -> Result<Step> {
        let per_job = inner_chunks_per_job(self.sharding()?.inner().spec().nbytes());
        let data = Arc::new(data);
        let job = |wanted: &[Wanted]| {
            Box::new(DecodeGroup {
                shard: self.clone(),
                offset,
                wanted: wanted.to_vec(),
                data: data.clone(),
            }) as Box<dyn Job>
        };
        Ok(Step::Split(wanted.chunks(per_job).map(job).collect()))
    }

    /// A job for each inner chunk, for chains that must be awaited.
    fn units(&self, group: &Group, data: &[u8]) -> Result<Vec<Box<dyn Job>>> {
        let inner = self.sharding()?.inner();
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(group.wanted.len());
        for w in &group.wanted {
            self.split.get(w.ordinal, &mut coords, &mut piece);
            let from = (w.entry.offset - group.offset) as usize;
            let chunk = Bytes::Borrowed(&data[from..from + w.entry.nbytes as usize]).into_owned()?;
            let piece = inner.fold_piece(piece.clone());
            jobs.push(Box::new(DecodeUnit::new(inner.clone(), chunk, piece, self.buffer)));
        }
        Ok(jobs)
    }
}

/// Inner chunks that lie together: one request.
struct Group {
    /// From the start of the shard.
    offset: u64,
    end: u64,
    wanted: Vec<Wanted>,
}

impl Group {
    fn range(&self, base: u64) -> ByteRange {
        ByteRange::Range {
            offset: base + self.offset,
            nbytes: self.end - self.offset,
        }
    }
}

/// Groups inner chunks sorted by offset: gaps up to `merge_gap` are read along, and no group exceeds a request, nor a
/// work item where requests cost nothing.
fn group(wanted: &[Wanted], inner_nbytes: u64, access: Access) -> Vec<Group> {
    let per_group = match access.slow {
        true => usize::MAX,
        false => inner_chunks_per_job(inner_nbytes),
    };
    let mut groups: Vec<Group> = Vec::new();
    for &w in wanted {
        if let Some(last) = groups.last_mut() {
            let near = w.entry.offset.saturating_sub(last.end) <= access.merge_gap;
            let end = last.end.max(w.entry.end());
            if near && last.wanted.len() < per_group && end - last.offset <= access.request_nbytes {
                last.end = end;
                last.wanted.push(w);
                continue;
            }
        }
        groups.push(Group {
            offset: w.entry.offset,
            end: w.entry.end(),
            wanted: vec![w],
        });
    }
    groups
}

/// Inner chunks that make a work item.
fn inner_chunks_per_job(inner_nbytes: u64) -> usize {
    (WORK_NBYTES / inner_nbytes.max(1)).max(1) as usize
}

/// A job whose first step is known already.
struct Begun {
    job: Box<dyn Job>,
    first: Option<Step>,
}

impl Job for Begun {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match self.first.take() {
            Some(step) => Ok(step),
            None => self.job.advance(input),
        }
    }
}

/// A job whose first need has been met already.
struct Answered {
    job: Box<dyn Job>,
    input: Option<Input>,
}

impl Job for Answered {
    fn advance(&mut self, input: Input) -> Result<Step> {
        self.job.advance(self.input.take().unwrap_or(input))
    }
}

/// Fetches a group and decodes it.
struct ReadGroup {
    shard: Arc<ShardRead>,
    group: Group,
}

impl Job for ReadGroup {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match input {
            Input::Start => Ok(Step::Need(vec![self.group.range(self.shard.base)])),
            Input::Found(found) => {
                let data = found.parts.into_iter().next().ok_or_else(unexpected)?;
                let sharding = self.shard.sharding()?;
                if sharding.inner().suspends() {
                    return Ok(Step::Split(self.shard.units(&self.group, &data)?));
                }
                if self.group.wanted.len() > 2 * inner_chunks_per_job(sharding.inner().spec().nbytes()) {
                    let wanted = std::mem::take(&mut self.group.wanted);
                    return self.shard.share_out(self.group.offset, wanted, data);
                }
                self.shard.decode(&self.group, &data)?;
                Ok(Step::Done)
            }
            Input::Joined => Ok(Step::Done),
            Input::Missing => Err(vanished()),
            Input::Coded(_) => Err(unexpected()),
        }
    }
}

/// Decodes a group of a shard that is in memory.
struct DecodeGroup {
    shard: Arc<ShardRead>,
    /// Where the data begin in the shard.
    offset: u64,
    wanted: Vec<Wanted>,
    data: Arc<Bytes<'static>>,
}

impl Job for DecodeGroup {
    fn advance(&mut self, _: Input) -> Result<Step> {
        let sharding = self.shard.sharding()?;
        sharding.decode_wanted(
            &self.data,
            self.offset,
            &self.wanted,
            &self.shard.split,
            self.shard.buffer,
        )?;
        Ok(Step::Done)
    }
}
