//! What is written to a box: pieces, one over the other, each with the buffer that its items are in.
//!
//! A plain write has one layer. Where several overlap the later one wins, so that writes that were collected give what
//! they would have given one by one, and each box is taken up once for all of them.

use std::sync::Arc;

use crate::copy::{self, Buffer};
use crate::limits::{checked_product, in_memory};
use crate::scratch;
use crate::select::{Axis, Piece, Split};
use crate::spec::c_strides;

/// A piece of a box, and where its items are.
#[derive(Clone)]
pub struct Layer {
    pub piece: Piece,
    pub buffer: Buffer,
}

/// Whether nothing of a box's `extent` (its part inside the array) is left out by all layers together.
pub fn cover(layers: &[Layer], extent: &[u64]) -> bool {
    match layers {
        [] => false,
        [layer] => layer.piece.covers(extent),
        _ => layers.iter().any(|layer| layer.piece.covers(extent)) || cover_together(layers, extent).unwrap_or(false),
    }
}

/// Drops the layers of which a later one leaves nothing.
pub fn drop_hidden(layers: &mut Vec<Layer>, extent: &[u64]) {
    if let Some(last) = layers.iter().rposition(|layer| layer.piece.covers(extent)) {
        layers.drain(..last);
    }
}

/// Marks each item of the box that a layer names: a byte an item, for a moment, and far cheaper than to read the box's
/// old value for nothing. None where that cannot be told.
fn cover_together(layers: &[Layer], extent: &[u64]) -> Option<bool> {
    let items = checked_product(1, extent).ok()?;
    let whole = || {
        layers
            .iter()
            .map(|layer| &layer.piece)
            .filter(|piece| piece.windows.is_none())
    };
    if whole().map(Piece::items).fold(0, u64::saturating_add) < items {
        return Some(false);
    }
    let mut marks = scratch::take(in_memory(items).ok()?).ok()?;
    marks.fill(0);
    let strides = c_strides(extent, 1);
    for piece in whole() {
        let places = places(piece, extent, &strides)?;
        // SAFETY: `places` has checked that every index lies in the box, whose items `marks` has a byte for.
        unsafe { copy::fill(marks.as_mut_ptr(), &places, &[1]) };
    }
    Some(marks.iter().all(|&mark| mark == 1))
}

/// The items of a piece as places in the box itself; None where one lies outside.
fn places(piece: &Piece, extent: &[u64], strides: &[isize]) -> Option<Piece> {
    let mut places = piece.clone();
    places.out = 0;
    for ((axis, &n), &stride) in places.axes.iter_mut().zip(extent).zip(strides) {
        if axis.last().is_some_and(|last| last >= n) {
            return None;
        }
        match axis {
            Axis::Strided {
                start,
                step,
                out_stride,
                ..
            } => {
                places.out += *start as isize * stride;
                *out_stride = *step as isize * stride;
            }
            Axis::Listed(pairs) => {
                *pairs = pairs
                    .iter()
                    .map(|&(index, _)| (index, index as isize * stride))
                    .collect()
            }
        }
    }
    Some(places)
}

/// Layers split over a grid: the boxes that any of them touches, each computed when asked for.
pub struct LayerSplit {
    splits: Vec<(Arc<Split>, Buffer)>,
    /// Which splits touch which box; not needed where there is one.
    boxes: Option<Boxes>,
}

impl LayerSplit {
    /// `splits` are over one grid.
    pub fn new(splits: Vec<(Arc<Split>, Buffer)>) -> Self {
        let boxes = (splits.len() != 1).then(|| Boxes::new(&splits));
        LayerSplit { splits, boxes }
    }

    /// Over boxes of one shape, which has no zeros.
    pub fn over(layers: &[Layer], box_shape: &[u64]) -> Self {
        let split = |layer: &Layer| (Arc::new(Split::new(&layer.piece, box_shape)), layer.buffer);
        LayerSplit::new(layers.iter().map(split).collect())
    }

    pub fn len(&self) -> u64 {
        match (&self.boxes, &self.splits[..]) {
            (Some(boxes), _) => boxes.len() as u64,
            (None, splits) => splits.iter().map(|(split, _)| split.len()).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn splits(&self) -> impl Iterator<Item = &Split> {
        self.splits.iter().map(|(split, _)| &**split)
    }

    /// Box number `ordinal` (C order over the boxes touched): its grid position, and its layers.
    pub fn get(&self, ordinal: u64, coords: &mut Vec<u64>, layers: &mut Vec<Layer>) {
        let mut used = 0;
        let mut take = |split: &Split, buffer: Buffer, ordinal: u64| {
            if used == layers.len() {
                layers.push(Layer {
                    piece: Piece::default(),
                    buffer,
                });
            }
            layers[used].buffer = buffer;
            split.get(ordinal, coords, &mut layers[used].piece);
            used += 1;
        };
        match (&self.boxes, &self.splits[..]) {
            (Some(boxes), splits) => {
                for &(number, ordinal) in boxes.get(ordinal as usize) {
                    let (split, buffer) = &splits[number];
                    take(split, *buffer, ordinal);
                }
            }
            (None, splits) => splits.iter().for_each(|(split, buffer)| take(split, *buffer, ordinal)),
        }
        layers.truncate(used);
    }
}

/// The boxes that several splits touch.
struct Boxes {
    /// A box of a split, by the split's number and the box's ordinal there; sorted by box, then in the splits' order.
    touches: Vec<(usize, u64)>,
    /// Where in `touches` each box's begin, and the end.
    starts: Vec<usize>,
}

impl Boxes {
    fn new(splits: &[(Arc<Split>, Buffer)]) -> Self {
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let (mut positions, mut touches) = (Vec::new(), Vec::new());
        for (number, (split, _)) in splits.iter().enumerate() {
            for ordinal in 0..split.len() {
                split.get(ordinal, &mut coords, &mut piece);
                positions.extend_from_slice(&coords);
                touches.push((number, ordinal));
            }
        }
        let rank = coords.len();
        let position = |&at: &usize| &positions[at * rank..(at + 1) * rank];
        let mut order: Vec<usize> = (0..touches.len()).collect();
        // Stable: within a box the splits stay in their order.
        order.sort_by(|a, b| position(a).cmp(position(b)));
        let begins = |&i: &usize| i == 0 || position(&order[i - 1]) != position(&order[i]);
        let mut starts: Vec<usize> = (0..order.len()).filter(begins).collect();
        starts.push(order.len());
        let touches = order.iter().map(|&at| touches[at]).collect();
        Boxes { touches, starts }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn get(&self, number: usize) -> &[(usize, u64)] {
        &self.touches[self.starts[number]..self.starts[number + 1]]
    }
}
