//! Reading a piece of a chunk whose items are stored as they are: only the bytes that it needs, merged where they lie
//! close, and in blocks that stay in the cache.

use std::sync::Arc;

use super::job::{BLOCK_NBYTES, Input, Job, Step, WORK_NBYTES, unexpected};
use super::read::{Place, ReadContext, missing};
use crate::chain::Chain;
use crate::codec::Expect;
use crate::codec::bytes::canonical;
use crate::copy::{self, Direction};
use crate::dtype::Layout;
use crate::error::{Error, Result};
use crate::scratch::Bytes;
use crate::select::{Axis, Piece, Window};
use crate::store::{Access, ByteRange};

/// Ranges that are asked for at once.
const MAX_RANGES: u64 = 256;
/// And of a store that merges what lies close.
const MAX_RANGES_SLOW: u64 = 1 << 14;

/// Reads a piece of items that are stored as they are.
///
/// The inner axes of the piece, as far as fetching them in one go wastes little, make a *span*; spans are fetched a
/// few at a time and scattered while they are in the cache.
#[derive(Clone)]
pub struct PlainRead {
    context: ReadContext,
    place: Place,
    chunk_nbytes: u64,
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
    windows: Option<Arc<[Window]>>,
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
    pub fn new(context: ReadContext, chain: &Chain, piece: &Piece, place: Place, swap: bool) -> Self {
        let spec = chain.folded_spec();
        let strides = spec.strides();
        let item = spec.layout.item_nbytes as u64;
        let block_nbytes = block_nbytes(context.access);
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
                    if growing && (len == 1 || pitch.saturating_sub(span) <= context.access.merge_gap) {
                        // How many indices fit in a block; the axis is cut where not all of them do.
                        let fit = if span >= block_nbytes {
                            1
                        } else {
                            (block_nbytes - span) / pitch + 1
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
                // Behind the strided axes, since those that go together are one.
                Axis::Listed(_) => growing = false,
            }
        }
        for table in piece.tables(&strides) {
            let stop = |&(offset, out): &(isize, isize)| Stop {
                offset: offset as u64,
                out,
                len: 1,
            };
            outer.push(table.iter().map(stop).collect());
        }
        outer.reverse();
        inner.reverse();
        let end = outer.iter().map(|stops| stops.len() as u64).product();
        PlainRead {
            context,
            place,
            chunk_nbytes: spec.nbytes(),
            layout: spec.layout.clone(),
            fill_value: spec.fill_value.clone(),
            swap,
            cut,
            outer: outer.into(),
            inner: inner.into(),
            span_nbytes: span,
            windows: piece.windows.clone(),
            offset: start,
            out: piece.out,
            next: 0,
            end,
            asked: 0,
        }
    }

    /// Whether listed indices make so many reads that one of the whole chunk costs less; a read costs about as much
    /// as `merge_gap` bytes.
    pub fn is_scattered(&self, piece: &Piece) -> bool {
        let read_nbytes = self.context.access.merge_gap.max(self.span_nbytes);
        piece.is_listed() && self.end > 1 && self.end.saturating_mul(read_nbytes) >= self.chunk_nbytes
    }

    /// Whether there is so much to fetch that it is shared out.
    pub fn is_large(&self) -> bool {
        (self.end - self.next) * self.span_nbytes > 2 * self.job_nbytes()
    }

    /// What one job fetches: over a slow store, what it asks for at once.
    fn job_nbytes(&self) -> u64 {
        match self.context.access.slow {
            true => block_nbytes(self.context.access),
            false => WORK_NBYTES,
        }
    }

    /// The same reads in jobs of about a work item each.
    pub fn share_out(self) -> Vec<PlainRead> {
        let per_job = (self.job_nbytes() / self.span_nbytes).max(1);
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
        let mut piece = Piece::new(self.inner.iter().map(axis).collect(), self.out);
        piece.windows.clone_from(&self.windows);
        let (mut offset, mut nbytes, mut rest) = (self.offset, self.span_nbytes, number);
        for (i, stops) in self.outer.iter().rev().enumerate() {
            let stop = stops[(rest % stops.len() as u64) as usize];
            rest /= stops.len() as u64;
            offset += stop.offset;
            piece.out += stop.out;
            if let (true, Some(Axis::Strided { len, .. })) = (self.cut && i == 0, piece.axes.first_mut()) {
                // The last block of the cut axis may be shorter.
                nbytes -= (*len - stop.len) * self.inner[0].1 as u64;
                *len = stop.len;
            }
        }
        (offset, nbytes, piece)
    }

    /// The next ranges: as many spans as fit in a block.
    pub fn needs(&mut self) -> Vec<ByteRange> {
        let access = self.context.access;
        let most = if access.slow { MAX_RANGES_SLOW } else { MAX_RANGES };
        let count = (block_nbytes(access) / self.span_nbytes)
            .clamp(1, most)
            .min(self.end - self.next);
        self.asked = count;
        (self.next..self.next + count)
            .map(|number| {
                let (offset, nbytes, _) = self.span(number);
                ByteRange::Range { offset, nbytes }
            })
            .collect()
    }

    pub fn advance(&mut self, ranges: Vec<Bytes<'static>>, value_nbytes: Option<u64>) -> Result<Step> {
        if let (Place::Key { .. }, Some(found)) = (self.place, value_nbytes) {
            Expect::Exactly(self.chunk_nbytes as usize).check(usize::try_from(found).unwrap_or(usize::MAX))?;
        }
        for (number, data) in (self.next..).zip(ranges) {
            self.scatter(number, &canonical(data, &self.layout)?)?;
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
            Input::Found(found) => PlainRead::advance(self, found.parts, found.value_nbytes),
            Input::Missing => {
                missing(&self.context, self.place)?;
                self.fill();
                Ok(Step::Done)
            }
            _ => Err(unexpected()),
        }
    }
}

/// Bytes that are fetched and scattered at once.
fn block_nbytes(access: Access) -> u64 {
    match access.slow {
        true => access.request_nbytes,
        false => BLOCK_NBYTES,
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
