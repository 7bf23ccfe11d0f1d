//! Read jobs: a chunk by the cheapest way that its chain allows.
//!
//! - Items stored as they are: only the runs that the piece needs, or blocks that stay in the cache.
//! - A shard that nothing wraps: its index, then the inner chunks, those that lie together in one request.
//! - Anything else: the whole value, decoded into scratch and scattered.

use std::sync::Arc;

use super::job::{BLOCK_NBYTES, FETCH_NBYTES, Input, Job, Step, WORK_NBYTES, unexpected};
use super::unit::DecodeUnit;
use crate::chain::Chain;
use crate::codec::sharding_indexed::{Sharding, Wanted};
use crate::copy::{self, Buffer, Direction};
use crate::dtype::Layout;
use crate::error::{Error, Kind, Result};
use crate::scratch::Bytes;
use crate::select::{Axis, Piece, Split};
use crate::store::ByteRange;

/// Where a chunk is stored.
#[derive(Clone, Copy)]
enum Place {
    /// It is the whole value; its number in the call is told where it is missing.
    Key { ordinal: u64 },
    /// It is an inner chunk.
    Window { offset: u64, nbytes: u64 },
}

impl Place {
    fn offset(self) -> u64 {
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
fn missing(context: &ReadContext, place: Place) -> Result<()> {
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
    pub merge_gap: u64,
    /// Whether a request costs so much that a shard that is wanted whole is fetched in one.
    pub whole_shards: bool,
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
    Plain(PlainRead),
    Index,
    ShardValue,
    Groups { shard: Arc<ShardRead>, groups: Vec<Group> },
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
        if let Some(swap) = chain.open_plain() {
            let nbytes = chain.folded_spec().nbytes();
            if let Some(size) = self.place.nbytes().filter(|&size| size != nbytes) {
                return Err(Error::size(format!(
                    "{size} bytes are stored where the chunk has {nbytes}"
                )));
            }
            return self.start_plain(PlainRead::new(
                self.context.clone(),
                &chain,
                &self.piece,
                self.place,
                swap,
            ));
        }
        if let Some(sharding) = chain.open_sharding() {
            let covered = self.piece.covers(&chain.folded_spec().shape);
            if !(self.context.whole_shards && covered) {
                self.state = State::Index;
                return Ok(Step::Need(vec![sharding.index_range(
                    self.place.nbytes().map(|nbytes| (self.place.offset(), nbytes)),
                )?]));
            }
            self.state = State::ShardValue;
        } else {
            self.state = State::Whole;
        }
        Ok(Step::Need(vec![self.whole_range()]))
    }

    fn start_plain(&mut self, mut plain: PlainRead) -> Result<Step> {
        if plain.nbytes() > 2 * WORK_NBYTES {
            let parts = plain.share_out();
            self.state = State::Joining;
            return Ok(Step::Split(
                parts.into_iter().map(|part| Box::new(part) as Box<dyn Job>).collect(),
            ));
        }
        let needs = plain.needs();
        self.state = State::Plain(plain);
        Ok(Step::Need(needs))
    }

    fn missing(&mut self) -> Result<Step> {
        missing(&self.context, self.place)?;
        // SAFETY: the buffer's maker vouches for the piece.
        unsafe { copy::fill(self.context.buffer.start(), &self.piece, &self.chain.spec().fill_value) };
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
    fn index(&mut self, data: Bytes<'static>) -> Result<Step> {
        let sharding = self.shard()?;
        let index = sharding.decode_index(data, self.place.nbytes())?;
        let split = Split::new(&self.piece, sharding.inner_shape());
        let wanted = sharding.wanted(&index, &split, self.context.buffer)?;
        if wanted.is_empty() {
            return Ok(Step::Done);
        }
        if self.reaches_inside(sharding) {
            return self.inside_each(&split, &wanted);
        }
        let groups = group(&wanted, sharding.inner().spec().nbytes(), self.context.merge_gap);
        let base = self.place.offset();
        let shard = Arc::new(ShardRead {
            chain: self.chain.clone(),
            split,
            buffer: self.context.buffer,
            base,
        });
        let decoded = wanted.len() as u64 * sharding.inner().spec().nbytes();
        if decoded <= WORK_NBYTES && !sharding.inner().suspends() || groups.len() == 1 {
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
        let (mut coords, mut piece) = (
            Vec::new(),
            Piece {
                axes: Vec::new(),
                out: 0,
            },
        );
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
        self.state = State::Joining;
        Ok(Step::Split(jobs))
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
        let groups = group(&wanted, sharding.inner().spec().nbytes(), u64::MAX);
        let shard = Arc::new(ShardRead {
            chain: self.chain.clone(),
            split,
            buffer: self.context.buffer,
            base: 0,
        });
        let data = Arc::new(data);
        self.state = State::Joining;
        let job = |group| {
            Box::new(DecodeGroup {
                shard: shard.clone(),
                group,
                data: data.clone(),
            }) as Box<dyn Job>
        };
        Ok(Step::Split(groups.into_iter().map(job).collect()))
    }
}

impl Job for ReadChunk {
    fn advance(&mut self, input: Input) -> Result<Step> {
        let mut ranges = match input {
            Input::Start => return self.start(),
            Input::Missing => return self.missing(),
            Input::Joined => return Ok(Step::Done),
            Input::Ranges(ranges) => ranges,
            Input::Coded(_) => return Err(unexpected()),
        };
        match &mut self.state {
            State::Plain(plain) => plain.advance(ranges),
            State::Groups { shard, groups } => {
                if shard.sharding()?.inner().suspends() {
                    let units = shard.units(&groups[0], &ranges.pop().ok_or_else(unexpected)?)?;
                    self.state = State::Joining;
                    return Ok(Step::Split(units));
                }
                for (group, data) in groups.iter().zip(ranges) {
                    shard.decode(group, &data)?;
                }
                Ok(Step::Done)
            }
            State::Index | State::Whole | State::ShardValue => {
                let data = ranges.pop().ok_or_else(unexpected)?;
                match self.state {
                    State::Index => self.index(data),
                    State::ShardValue => self.shard_value(data),
                    _ => self.whole(data),
                }
            }
            State::Start | State::Joining => Err(unexpected()),
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

    /// A job for each inner chunk, for chains that must be awaited.
    fn units(&self, group: &Group, data: &[u8]) -> Result<Vec<Box<dyn Job>>> {
        let inner = self.sharding()?.inner();
        let (mut coords, mut piece) = (
            Vec::new(),
            Piece {
                axes: Vec::new(),
                out: 0,
            },
        );
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

/// Groups inner chunks sorted by offset: gaps up to `merge_gap` are read along, and no group exceeds a work item.
fn group(wanted: &[Wanted], inner_nbytes: u64, merge_gap: u64) -> Vec<Group> {
    let per_group = (WORK_NBYTES / inner_nbytes.max(1)).max(1) as usize;
    let mut groups: Vec<Group> = Vec::new();
    for &w in wanted {
        if let Some(last) = groups.last_mut() {
            let near = w.entry.offset.saturating_sub(last.end) <= merge_gap;
            let end = last.end.max(w.entry.end());
            if near && last.wanted.len() < per_group && end - last.offset <= FETCH_NBYTES {
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

/// Fetches a group and decodes it.
struct ReadGroup {
    shard: Arc<ShardRead>,
    group: Group,
}

impl Job for ReadGroup {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match input {
            Input::Start => Ok(Step::Need(vec![self.group.range(self.shard.base)])),
            Input::Ranges(ranges) => {
                let data = ranges.first().ok_or_else(unexpected)?;
                if self.shard.sharding()?.inner().suspends() {
                    return Ok(Step::Split(self.shard.units(&self.group, data)?));
                }
                self.shard.decode(&self.group, data)?;
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
    group: Group,
    data: Arc<Bytes<'static>>,
}

impl Job for DecodeGroup {
    fn advance(&mut self, _: Input) -> Result<Step> {
        let sharding = self.shard.sharding()?;
        sharding.decode_wanted(&self.data, 0, &self.group.wanted, &self.shard.split, self.shard.buffer)?;
        Ok(Step::Done)
    }
}

/// Reads a piece of items that are stored as they are.
///
/// The inner axes of the piece, as far as fetching them in one go wastes little, make a *span*; spans are fetched a
/// few at a time and scattered while they are in the cache.
#[derive(Clone)]
struct PlainRead {
    context: ReadContext,
    place: Place,
    layout: Layout,
    fill_value: Arc<[u8]>,
    swap: bool,
    /// The outer axes: each combination of their stops is one span.
    outer: Arc<[Vec<Stop>]>,
    /// Whether the last outer axis and the first inner one are the same axis, cut into blocks.
    cut: bool,
    /// The axes inside a span: (n, bytes in the chunk, bytes in the buffer), relative to its first item.
    inner: Arc<[(u64, isize, isize)]>,
    span_nbytes: u64,
    /// In the value, and in the buffer, of the span at the first stop of each outer axis.
    offset: u64,
    out: isize,
    /// Spans `next..end` are still to be fetched; `asked` of them have been asked for.
    next: u64,
    end: u64,
    asked: u64,
}

/// A stop along an outer axis: bytes into the chunk, bytes into the buffer, and for the axis that is cut into
/// blocks how many indices this one holds.
#[derive(Clone, Copy)]
struct Stop {
    offset: u64,
    out: isize,
    len: u64,
}

impl PlainRead {
    fn new(context: ReadContext, chain: &Chain, piece: &Piece, place: Place, swap: bool) -> Self {
        let spec = chain.folded_spec();
        let strides = spec.strides();
        let item = spec.layout.item_nbytes as u64;
        let mut span = item;
        let mut inner: Vec<(u64, isize, isize)> = Vec::new();
        let mut outer: Vec<Vec<Stop>> = Vec::new();
        let mut start = place.offset();
        let mut cut = false;
        let mut growing = true;
        for (axis, &stride) in piece.axes.iter().zip(&strides).rev() {
            let stride = stride as u64;
            match axis {
                &Axis::Strided {
                    start: first,
                    step,
                    len,
                    out_stride,
                } => {
                    start += first * stride;
                    let pitch = step * stride;
                    if growing && (len == 1 || pitch.saturating_sub(span) <= context.merge_gap) {
                        // How many indices fit in a block; the axis is cut where not all of them do.
                        let fit = if span >= BLOCK_NBYTES {
                            1
                        } else {
                            (BLOCK_NBYTES - span) / pitch + 1
                        };
                        let block = fit.min(len);
                        inner.push((block, pitch as isize, out_stride));
                        span += (block - 1) * pitch;
                        if block < len {
                            growing = false;
                            cut = true;
                            outer.push(stops(len, block, pitch, out_stride));
                        }
                        continue;
                    }
                    growing = false;
                    outer.push(stops(len, 1, pitch, out_stride));
                }
                Axis::Listed(pairs) => {
                    growing = false;
                    let stop = |&(index, out): &(u64, isize)| Stop {
                        offset: index * stride,
                        out,
                        len: 1,
                    };
                    outer.push(pairs.iter().map(stop).collect());
                }
            }
        }
        outer.reverse();
        inner.reverse();
        let end = outer.iter().map(|stops| stops.len() as u64).product();
        PlainRead {
            context,
            place,
            layout: spec.layout.clone(),
            fill_value: spec.fill_value.clone(),
            swap,
            cut,
            outer: outer.into(),
            inner: inner.into(),
            span_nbytes: span,
            offset: start,
            out: piece.out,
            next: 0,
            end,
            asked: 0,
        }
    }

    /// Bytes that will be fetched.
    fn nbytes(&self) -> u64 {
        (self.end - self.next) * self.span_nbytes
    }

    /// The same reads in jobs of about a work item each.
    fn share_out(self) -> Vec<PlainRead> {
        let per_job = (WORK_NBYTES / self.span_nbytes).max(1);
        (self.next..self.end)
            .step_by(usize::try_from(per_job).unwrap_or(usize::MAX))
            .map(|next| PlainRead {
                next,
                end: (next + per_job).min(self.end),
                ..self.clone()
            })
            .collect()
    }

    /// Span `number`: where it lies in the value, its size, and its items as a piece of a box over it.
    fn span(&self, number: u64) -> (u64, u64, Piece) {
        let axis = |&(len, _, out_stride): &(u64, isize, isize)| Axis::Strided {
            start: 0,
            step: 1,
            len,
            out_stride,
        };
        let mut piece = Piece {
            axes: self.inner.iter().map(axis).collect(),
            out: self.out,
        };
        let (mut offset, mut nbytes, mut rest) = (self.offset, self.span_nbytes, number);
        for (i, stops) in self.outer.iter().rev().enumerate() {
            let stop = stops[(rest % stops.len() as u64) as usize];
            rest /= stops.len() as u64;
            offset += stop.offset;
            piece.out += stop.out;
            if let (true, Axis::Strided { len, .. }) = (self.cut && i == 0, &mut piece.axes[0]) {
                // The last block of the cut axis may be shorter.
                nbytes -= (*len - stop.len) * self.inner[0].1 as u64;
                *len = stop.len;
            }
        }
        (offset, nbytes, piece)
    }

    /// The next ranges: as many spans as fit in a block.
    fn needs(&mut self) -> Vec<ByteRange> {
        let count = (BLOCK_NBYTES / self.span_nbytes)
            .clamp(1, 256)
            .min(self.end - self.next);
        self.asked = count;
        (self.next..self.next + count)
            .map(|number| {
                let (offset, nbytes, _) = self.span(number);
                ByteRange::Range { offset, nbytes }
            })
            .collect()
    }

    fn advance(&mut self, ranges: Vec<Bytes<'static>>) -> Result<Step> {
        for (number, data) in (self.next..).zip(ranges) {
            self.scatter(number, &data)?;
        }
        self.next += self.asked;
        if self.next >= self.end {
            return Ok(Step::Done);
        }
        Ok(Step::Need(self.needs()))
    }

    fn scatter(&self, number: u64, data: &[u8]) -> Result<()> {
        let (_, nbytes, piece) = self.span(number);
        if (data.len() as u64) < nbytes {
            return Err(Error::truncated(format!(
                "{} bytes came where {nbytes} were asked for",
                data.len()
            )));
        }
        let strides: Vec<isize> = self.inner.iter().map(|&(_, pitch, _)| pitch).collect();
        let items = data.as_ptr().cast_mut();
        // SAFETY: the span holds the items of these axes (its length was computed from them and has been checked);
        // the buffer's maker vouches for the piece, of which this is a part.
        unsafe {
            let to = self.context.buffer.start();
            copy::transfer(Direction::Scatter, items, &strides, to, &piece, &self.layout, self.swap);
        }
        Ok(())
    }

    /// The chunk is not stored: this part of it is fill value.
    fn fill(&self) {
        for number in self.next..self.end {
            let (_, _, piece) = self.span(number);
            // SAFETY: the buffer's maker vouches for the piece, of which this is a part.
            unsafe { copy::fill(self.context.buffer.start(), &piece, &self.fill_value) };
        }
    }
}

impl Job for PlainRead {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match input {
            Input::Start => Ok(Step::Need(self.needs())),
            Input::Ranges(ranges) => PlainRead::advance(self, ranges),
            Input::Missing => {
                missing(&self.context, self.place)?;
                self.fill();
                Ok(Step::Done)
            }
            _ => Err(unexpected()),
        }
    }
}

/// The stops of an axis of `len` indices that is cut into blocks.
fn stops(len: u64, block: u64, pitch: u64, out_stride: isize) -> Vec<Stop> {
    (0..len)
        .step_by(usize::try_from(block).unwrap_or(usize::MAX))
        .map(|i| Stop {
            offset: i * pitch,
            out: i as isize * out_stride,
            len: block.min(len - i),
        })
        .collect()
}
