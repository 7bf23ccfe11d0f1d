//! Pieces of an array and how they fall apart over a grid.
//!
//! A `Piece` says which items of a box (an array, a chunk, an inner chunk) belong to which bytes of the caller's
//! buffer. Splitting a piece over a grid gives pieces of the boxes of that grid: an array's piece splits into
//! chunks' pieces, a shard's into inner chunks', and nothing else in the engine knows about selections.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cuts::{Cuts, Run, run_at};

/// Indices of a box, each with its byte offset in the buffer.
pub type Pairs = Arc<[(u64, isize)]>;

/// One axis of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// `len` indices from `start`, `step` apart; each next one lies `out_stride` bytes further in the buffer.
    /// An axis that an integer selects has `len` 1 and no share in the buffer.
    Strided {
        start: u64,
        step: u64,
        len: u64,
        out_stride: isize,
    },
    /// Any indices, each with its own byte offset in the buffer.
    Listed(Pairs),
}

impl Axis {
    pub fn len(&self) -> u64 {
        match self {
            Axis::Strided { len, .. } => *len,
            Axis::Listed(pairs) => pairs.len() as u64,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest index.
    pub fn last(&self) -> Option<u64> {
        match self {
            Axis::Strided { start, step, len, .. } => len.checked_sub(1).map(|n| start + n * step),
            Axis::Listed(pairs) => pairs.iter().map(|&(index, _)| index).max(),
        }
    }

    /// Whether the axis takes every index below `extent`. A list is never taken for complete.
    pub fn covers(&self, extent: u64) -> bool {
        match self {
            Axis::Strided { start, step, len, .. } => *start == 0 && *len >= extent && (*step == 1 || extent <= 1),
            Axis::Listed(_) => false,
        }
    }
}

/// A part of every item: a field of a structured data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// In an item of the box.
    pub item: usize,
    /// In an item of the buffer.
    pub out: usize,
    pub nbytes: usize,
}

/// Items of a box, and where each lies in the caller's buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    pub axes: Vec<Axis>,
    /// Byte offset in the buffer of the item at the first index of each axis.
    pub out: isize,
    /// Whether the listed axes, which are then of one length, go together (points) and not each with all others.
    pub joint: bool,
    /// Which parts of the items are meant, where it is not all of each.
    pub windows: Option<Arc<[Window]>>,
}

impl Piece {
    /// The product of the axes.
    pub fn new(axes: Vec<Axis>, out: isize) -> Self {
        Piece {
            axes,
            out,
            ..Piece::default()
        }
    }

    /// The whole of a box, over a buffer with these strides.
    pub fn whole(shape: &[u64], out_strides: &[isize]) -> Self {
        let axis = |(&len, &out_stride): (&u64, &isize)| Axis::Strided {
            start: 0,
            step: 1,
            len,
            out_stride,
        };
        Piece::new(shape.iter().zip(out_strides).map(axis).collect(), 0)
    }

    pub fn items(&self) -> u64 {
        let listed = |axis: &&Axis| matches!(axis, Axis::Listed(_));
        if !self.joint {
            return self.axes.iter().map(Axis::len).product();
        }
        let points = self.axes.iter().find(listed).map_or(1, Axis::len);
        let others = self.axes.iter().filter(|axis| !listed(axis)).map(Axis::len);
        others.product::<u64>() * points
    }

    /// Whether nothing of the box's `extent` (its part inside the array) is left out.
    pub fn covers(&self, extent: &[u64]) -> bool {
        self.windows.is_none() && self.axes.iter().zip(extent).all(|(axis, &n)| axis.covers(n))
    }

    /// Whether indices are listed along some axis.
    pub fn is_listed(&self) -> bool {
        self.axes.iter().any(|axis| matches!(axis, Axis::Listed(_)))
    }

    /// How many indices are listed, along all axes together.
    pub fn listed_len(&self) -> u64 {
        let listed = |axis: &&Axis| matches!(axis, Axis::Listed(_));
        self.axes.iter().filter(listed).map(Axis::len).sum()
    }

    /// The same items, with axis `i` of the result being axis `order[i]`.
    #[must_use]
    pub fn permuted(&self, order: &[usize]) -> Piece {
        let axes = order.iter().map(|&axis| self.axes[axis].clone()).collect();
        Piece {
            axes,
            windows: self.windows.clone(),
            ..*self
        }
    }

    /// The listed axes as tables of (bytes in the box, bytes in the buffer), one for each that goes alone. `strides`
    /// are the box's; the result's order is that of the axes.
    pub fn tables(&self, strides: &[isize]) -> Vec<Vec<(isize, isize)>> {
        let mut tables: Vec<Vec<(isize, isize)>> = Vec::new();
        for (axis, &stride) in self.axes.iter().zip(strides) {
            let Axis::Listed(pairs) = axis else { continue };
            let offsets = pairs.iter().map(|&(index, out)| (index as isize * stride, out));
            match tables.last_mut().filter(|_| self.joint) {
                Some(table) => table.iter_mut().zip(offsets).for_each(|(sum, (item, out))| {
                    sum.0 += item;
                    sum.1 += out;
                }),
                None => tables.push(offsets.collect()),
            }
        }
        tables
    }
}

/// A piece split over a grid: `len()` boxes, each computed when asked for.
pub struct Split {
    axes: Vec<AxisSplit>,
    /// Where the listed axes go together: their points, sorted by box.
    points: Option<Points>,
    out: isize,
    windows: Option<Arc<[Window]>>,
    len: u64,
}

enum AxisSplit {
    Strided(Strided),
    /// Over runs of boxes, those that are touched.
    Runs(Vec<RunPart>),
    Listed(Vec<(u64, Pairs)>),
    /// One of those that go together.
    Joint,
}

/// Evenly spaced indices over boxes of one length.
struct Strided {
    start: u64,
    step: u64,
    len: u64,
    out_stride: isize,
    box_len: u64,
    first: u64,
    count: u64,
}

/// What of a strided axis lies in one run of boxes, from where the run starts.
struct RunPart {
    strided: Strided,
    /// The boxes of the grid before the run.
    first: u64,
    /// The boxes of the split before this part.
    before: u64,
    out: isize,
}

impl Split {
    /// Over boxes of one shape, which has no zeros.
    pub fn new(piece: &Piece, box_shape: &[u64]) -> Self {
        Split::over(piece, |axis| Cuts::Even(box_shape[axis]))
    }

    /// Over a grid whose axes are cut as `cuts` says.
    pub fn over(piece: &Piece, cuts: impl Fn(usize) -> Cuts) -> Self {
        let axis = |(i, axis): (usize, &Axis)| AxisSplit::new(axis, &cuts(i), piece.joint);
        let axes: Vec<AxisSplit> = piece.axes.iter().enumerate().map(axis).collect();
        let points = piece.joint.then(|| Points::new(piece, cuts));
        let groups = points.as_ref().map_or(1, |points| points.groups() as u64);
        let len = axes.iter().map(AxisSplit::count).product::<u64>() * groups;
        Split {
            axes,
            points,
            out: piece.out,
            windows: piece.windows.clone(),
            len,
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Box number `ordinal` (C order over the boxes touched): its grid position, and its piece.
    pub fn get(&self, ordinal: u64, coords: &mut Vec<u64>, piece: &mut Piece) {
        let mut rest = ordinal;
        coords.clear();
        coords.resize(self.axes.len(), 0);
        let nothing = Axis::Strided {
            start: 0,
            step: 1,
            len: 0,
            out_stride: 0,
        };
        piece.axes.resize(self.axes.len(), nothing);
        piece.out = self.out;
        piece.joint = self.points.is_some();
        piece.windows.clone_from(&self.windows);
        for (i, split) in self.axes.iter().enumerate().rev() {
            let count = split.count();
            if let Some((coord, axis, out)) = split.get(rest % count) {
                coords[i] = coord;
                piece.axes[i] = axis;
                piece.out += out;
            }
            rest /= count;
        }
        if let Some(points) = &self.points {
            for (i, (coord, pairs)) in self.joint_axes().zip(points.group(rest as usize)) {
                coords[i] = coord;
                piece.axes[i] = Axis::Listed(pairs);
            }
        }
    }

    /// The grid positions touched along an axis; None where axes go together.
    pub fn axis_coords(&self, axis: usize) -> Option<Vec<u64>> {
        let split = &self.axes[axis];
        (0..split.count())
            .map(|i| split.get(i).map(|(coord, ..)| coord))
            .collect()
    }

    /// The lengths of the boxes touched along an axis, each once. `cuts` are those that the axis was split by.
    pub fn lengths(&self, axis: usize, cuts: &Cuts) -> BTreeSet<u64> {
        match &self.axes[axis] {
            AxisSplit::Strided(strided) => BTreeSet::from([strided.box_len]),
            AxisSplit::Runs(parts) => parts.iter().map(|part| part.strided.box_len).collect(),
            AxisSplit::Listed(groups) => groups.iter().map(|&(coord, _)| cuts.chunk(coord).1).collect(),
            AxisSplit::Joint => BTreeSet::new(),
        }
    }

    /// The axes that go together.
    pub fn joint_axes(&self) -> impl Iterator<Item = usize> {
        (0..self.axes.len()).filter(|&i| matches!(self.axes[i], AxisSplit::Joint))
    }

    /// The grid positions touched along the axes that go together.
    pub fn joint_coords(&self) -> impl Iterator<Item = Vec<u64>> {
        let each = |points| (0..Points::groups(points)).map(|number| points.coords(number).collect());
        self.points.iter().flat_map(each)
    }
}

/// Points, in the order of the boxes that they fall in. Of those in one place the last one written wins, as in NumPy.
struct Points {
    /// The listed axes, and how each is cut.
    axes: Vec<(Pairs, Cuts)>,
    /// The points, sorted by box; those of one box in the order that they were given in.
    order: Vec<usize>,
    /// Where in `order` each box's points begin, and the end.
    starts: Vec<usize>,
}

impl Points {
    fn new(piece: &Piece, cuts: impl Fn(usize) -> Cuts) -> Self {
        let listed = |(i, axis): (usize, &Axis)| match axis {
            Axis::Listed(pairs) => Some((pairs.clone(), cuts(i))),
            Axis::Strided { .. } => None,
        };
        let axes: Vec<(Pairs, Cuts)> = piece.axes.iter().enumerate().filter_map(listed).collect();
        let mut points: Vec<(u64, usize)> = box_numbers(&axes).into_iter().zip(0..).collect();
        if !points.is_sorted() {
            points.sort_unstable();
        }
        let begins = |&i: &usize| i == 0 || points[i - 1].0 != points[i].0;
        let mut starts: Vec<usize> = (0..points.len()).filter(begins).collect();
        starts.push(points.len());
        let order = points.into_iter().map(|(_, point)| point).collect();
        Points { axes, order, starts }
    }

    fn groups(&self) -> usize {
        self.starts.len() - 1
    }

    /// The box of group `number` along each listed axis.
    fn coords(&self, number: usize) -> impl Iterator<Item = u64> {
        let first = self.order[self.starts[number]];
        self.axes.iter().map(move |(pairs, cuts)| cuts.locate(pairs[first].0).0)
    }

    /// The box of group `number` along each listed axis, with the group's points in it.
    fn group(&self, number: usize) -> impl Iterator<Item = (u64, Pairs)> {
        let points = &self.order[self.starts[number]..self.starts[number + 1]];
        let inside = move |(pairs, cuts): &(Pairs, Cuts)| {
            let located = |&point: &usize| (cuts.locate(pairs[point].0).1, pairs[point].1);
            points.iter().map(located).collect()
        };
        self.coords(number).zip(self.axes.iter().map(inside))
    }
}

/// A number for each point that is the same for points in one box, and grows with the boxes in C order.
fn box_numbers(axes: &[(Pairs, Cuts)]) -> Vec<u64> {
    let mut numbers = vec![0; axes.first().map_or(0, |(pairs, _)| pairs.len())];
    // All numbers are smaller.
    let mut bound = 1u64;
    for (pairs, cuts) in axes {
        let mut coords: Vec<u64> = pairs.iter().map(|&(index, _)| cuts.locate(index).0).collect();
        let mut count = coords.iter().max().map_or(1, |last| last + 1);
        if bound.checked_mul(count).is_none() {
            // A grid of more than 2^64 boxes: only those that have points are numbered.
            bound = renumber(&mut numbers);
            count = renumber(&mut coords);
        }
        for (number, coord) in numbers.iter_mut().zip(coords) {
            *number = *number * count + coord;
        }
        bound *= count;
    }
    numbers
}

/// Replaces numbers by their rank among the different ones; returns how many these are.
fn renumber(numbers: &mut [u64]) -> u64 {
    let mut different = numbers.to_vec();
    different.sort_unstable();
    different.dedup();
    for number in numbers {
        *number = different.partition_point(|other| other < number) as u64;
    }
    different.len() as u64
}

/// Each index as its box, the index inside that, and its place in the buffer.
fn locate(pairs: &Pairs, cuts: &Cuts) -> Vec<(u64, u64, isize)> {
    let located = |&(index, out): &(u64, isize)| {
        let (coord, inside) = cuts.locate(index);
        (coord, inside, out)
    };
    pairs.iter().map(located).collect()
}

impl AxisSplit {
    fn new(axis: &Axis, cuts: &Cuts, joint: bool) -> Self {
        match axis {
            &Axis::Strided {
                start,
                step,
                len,
                out_stride,
            } => match cuts {
                &Cuts::Even(box_len) => AxisSplit::Strided(Strided::new(start, step, len, out_stride, box_len)),
                Cuts::Runs(runs) => AxisSplit::Runs(run_parts(start, step, len, out_stride, runs)),
            },
            Axis::Listed(_) if joint => AxisSplit::Joint,
            Axis::Listed(pairs) => {
                let mut sorted = locate(pairs, cuts);
                // Stable: of duplicates, the last one written wins, as in NumPy.
                sorted.sort_by_key(|&(coord, ..)| coord);
                let groups = sorted.chunk_by(|a, b| a.0 == b.0);
                let pairs = |group: &[(u64, u64, isize)]| group.iter().map(|&(_, index, out)| (index, out)).collect();
                AxisSplit::Listed(groups.map(|group| (group[0].0, pairs(group))).collect())
            }
        }
    }

    fn count(&self) -> u64 {
        match self {
            AxisSplit::Strided(strided) => strided.count,
            AxisSplit::Runs(parts) => parts.last().map_or(0, |part| part.before + part.strided.count),
            AxisSplit::Listed(groups) => groups.len() as u64,
            AxisSplit::Joint => 1,
        }
    }

    fn get(&self, i: u64) -> Option<(u64, Axis, isize)> {
        match self {
            AxisSplit::Strided(strided) => Some(strided.get(i)),
            AxisSplit::Runs(parts) => {
                let part = &parts[parts.partition_point(|part| part.before <= i) - 1];
                let (coord, axis, out) = part.strided.get(i - part.before);
                Some((part.first + coord, axis, part.out + out))
            }
            AxisSplit::Listed(groups) => {
                let (coord, pairs) = &groups[i as usize];
                Some((*coord, Axis::Listed(pairs.clone()), 0))
            }
            AxisSplit::Joint => None,
        }
    }
}

/// The parts of a strided axis in the runs that it touches.
fn run_parts(start: u64, step: u64, len: u64, out_stride: isize, runs: &[Run]) -> Vec<RunPart> {
    let mut parts = Vec::new();
    let (mut from, mut before) = (0, 0);
    while from < len {
        let run = &runs[run_at(runs, start + from * step)];
        // At least one index each time, though no caller selects beyond the last run.
        let to = (run.end().saturating_sub(start).div_ceil(step)).clamp(from + 1, len);
        let inside = start + from * step - run.start;
        let strided = Strided::new(inside, step, to - from, out_stride, run.length);
        let count = strided.count;
        parts.push(RunPart {
            strided,
            first: run.first,
            before,
            out: from as isize * out_stride,
        });
        before += count;
        from = to;
    }
    parts
}

impl Strided {
    fn new(start: u64, step: u64, len: u64, out_stride: isize, box_len: u64) -> Self {
        let first = start / box_len;
        let count = match len {
            0 => 0,
            // Steps no longer than a box leave no box out.
            _ if step <= box_len => (start + (len - 1) * step) / box_len - first + 1,
            _ => len,
        };
        Strided {
            start,
            step,
            len,
            out_stride,
            box_len,
            first,
            count,
        }
    }

    fn get(&self, i: u64) -> (u64, Axis, isize) {
        let &Strided {
            start,
            step,
            len,
            out_stride,
            box_len,
            first,
            ..
        } = self;
        if step > box_len {
            let index = start + i * step;
            let axis = Axis::Strided {
                start: index % box_len,
                step: 1,
                len: 1,
                out_stride,
            };
            return (index / box_len, axis, i as isize * out_stride);
        }
        let coord = first + i;
        let low = coord * box_len;
        let from = low.saturating_sub(start).div_ceil(step);
        let to = (low + box_len - start).div_ceil(step).min(len);
        let axis = Axis::Strided {
            start: start + from * step - low,
            step,
            len: to - from,
            out_stride,
        };
        (coord, axis, from as isize * out_stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(axis: &Axis) -> Vec<(u64, isize)> {
        match axis {
            &Axis::Strided {
                start,
                step,
                len,
                out_stride,
            } => (0..len).map(|i| (start + i * step, i as isize * out_stride)).collect(),
            Axis::Listed(pairs) => pairs.to_vec(),
        }
    }

    /// Splitting loses no item, adds none, and keeps each item's place in the buffer.
    fn check(axis: Axis, box_len: u64) {
        let split = Split::new(&Piece::new(vec![axis.clone()], 100), &[box_len]);
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut found = Vec::new();
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut piece);
            let inside = collect(&piece.axes[0]);
            assert!(!inside.is_empty());
            assert!(inside.iter().all(|&(index, _)| index < box_len));
            found.extend(
                inside
                    .iter()
                    .map(|&(index, out)| (coords[0] * box_len + index, out + piece.out)),
            );
        }
        let mut expected: Vec<_> = collect(&axis)
            .into_iter()
            .map(|(index, out)| (index, out + 100))
            .collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{axis:?} over boxes of {box_len}");
    }

    #[test]
    fn strided_axes_split_without_loss() {
        for box_len in 1..8 {
            for start in 0..9 {
                for step in 1..12 {
                    for len in 0..9 {
                        check(
                            Axis::Strided {
                                start,
                                step,
                                len,
                                out_stride: 3,
                            },
                            box_len,
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn listed_axes_split_without_loss() {
        for box_len in 1..8 {
            check(Axis::Listed([(9, 0), (0, 4), (3, 8), (3, 12), (8, 16)].into()), box_len);
        }
    }

    /// The plain definition: points in boxes, in C order of the boxes, otherwise in the order given.
    #[test]
    fn points_split_by_box_and_keep_their_order() {
        for (boxes, scale) in [([3, 2, 5], 1), ([1, 1, 1], 1), ([1, 1, 1], 1 << 58)] {
            let column = |seed: u64| (0..60u64).map(move |i| (i * seed * 7 + i * i) % 11 * scale);
            let columns: Vec<Vec<u64>> = (1..4).map(|seed| column(seed).collect()).collect();
            let axis =
                |c: &Vec<u64>, unit: isize| Axis::Listed(c.iter().zip(0..).map(|(&i, n)| (i, n * unit)).collect());
            let axes = vec![axis(&columns[0], 0), axis(&columns[1], 8), axis(&columns[2], 0)];
            let piece = Piece {
                joint: true,
                ..Piece::new(axes, 5)
            };
            let split = Split::new(&piece, &boxes);
            let (mut coords, mut part) = (Vec::new(), Piece::default());
            let mut found = Vec::new();
            for ordinal in 0..split.len() {
                split.get(ordinal, &mut coords, &mut part);
                let lists: Vec<_> = part.axes.iter().map(collect).collect();
                for n in 0..lists[0].len() {
                    let index = |a: usize| coords[a] * boxes[a] + lists[a][n].0;
                    let out = lists.iter().map(|list| list[n].1).sum::<isize>() + part.out;
                    found.push((coords.clone(), out, [index(0), index(1), index(2)]));
                }
            }
            let mut expected: Vec<_> = (0..60)
                .map(|n| {
                    let index = [columns[0][n], columns[1][n], columns[2][n]];
                    let coords: Vec<u64> = index.iter().zip(&boxes).map(|(i, b)| i / b).collect();
                    (coords, n as isize * 8 + 5, index)
                })
                .collect();
            expected.sort();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_window_is_kept_and_never_complete() {
        let mut piece = Piece::whole(&[4, 4], &[4, 1]);
        assert!(piece.covers(&[4, 4]));
        let window = Window {
            item: 2,
            out: 0,
            nbytes: 1,
        };
        piece.windows = Some([window].into());
        assert!(!piece.covers(&[4, 4]) && piece.permuted(&[1, 0]).windows == piece.windows);
        let (mut coords, mut part) = (Vec::new(), Piece::default());
        Split::new(&piece, &[2, 2]).get(3, &mut coords, &mut part);
        assert_eq!(part.windows, piece.windows);
    }

    #[test]
    fn coverage_is_judged_against_the_extent_inside_the_array() {
        let piece = Piece::whole(&[4, 3], &[6, 2]);
        assert!(piece.covers(&[4, 3]) && piece.covers(&[2, 3]) && !piece.covers(&[5, 3]));
    }
}
