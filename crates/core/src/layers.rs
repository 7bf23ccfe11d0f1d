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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::Window;

    /// Never looked at.
    fn layer(axes: Vec<Axis>) -> Layer {
        Layer {
            piece: Piece::new(axes, 77),
            // SAFETY: only the pieces are looked at.
            buffer: unsafe { Buffer::new(std::ptr::null_mut()) },
        }
    }

    fn strided(start: u64, step: u64, len: u64) -> Axis {
        Axis::Strided {
            start,
            step,
            len,
            out_stride: -4,
        }
    }

    fn listed(indices: &[u64]) -> Axis {
        Axis::Listed(indices.iter().map(|&index| (index, 9)).collect())
    }

    #[test]
    fn slabs_tiles_and_lists_cover_a_box_together() {
        let rows = |start, len| layer(vec![strided(start, 1, len), strided(0, 1, 5)]);
        let columns = |start, step, len| layer(vec![strided(0, 1, 4), strided(start, step, len)]);
        let both: [Vec<Layer>; 6] = [
            vec![rows(0, 1), rows(2, 2), rows(1, 1)],
            vec![columns(0, 2, 3), columns(1, 2, 2)],
            vec![
                rows(0, 2),
                columns(0, 1, 3),
                layer(vec![strided(2, 1, 2), strided(3, 1, 2)]),
            ],
            vec![
                layer(vec![listed(&[3, 1]), strided(0, 1, 5)]),
                layer(vec![listed(&[0, 2, 2]), listed(&[4, 0, 1, 2, 3])]),
            ],
            vec![rows(1, 1), layer(vec![strided(0, 1, 4), strided(0, 1, 5)]), rows(1, 1)],
            vec![rows(0, 3), rows(1, 3)],
        ];
        for layers in both {
            assert!(cover(&layers, &[4, 5]));
            // A box that is larger has what none of them names, and none may be missing but where it is hidden.
            assert!(!cover(&layers, &[5, 5]) && !cover(&layers, &[4, 6]));
            for left_out in 0..layers.len() {
                let mut fewer = layers.clone();
                fewer.remove(left_out);
                let hidden = layers.len() == 3 && layers[1].piece.covers(&[4, 5]) && left_out != 1;
                assert_eq!(cover(&fewer, &[4, 5]), hidden);
            }
        }
        assert!(!cover(&[], &[4, 5]));
    }

    #[test]
    fn points_cover_only_what_they_name() {
        let points = |pairs: &[(u64, u64)]| Layer {
            piece: Piece {
                joint: true,
                ..layer(vec![
                    listed(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>()),
                    listed(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>()),
                ])
                .piece
            },
            ..layer(Vec::new())
        };
        let diagonal = points(&[(0, 0), (1, 1)]);
        assert!(cover(&[diagonal.clone(), points(&[(1, 0), (0, 1)])], &[2, 2]));
        assert!(!cover(&[diagonal.clone(), points(&[(0, 0), (1, 1)])], &[2, 2]));
    }

    #[test]
    fn parts_of_items_cover_nothing() {
        let mut part = layer(vec![strided(0, 1, 3)]);
        let window = Window {
            item: 0,
            out: 0,
            nbytes: 1,
        };
        part.piece.windows = Some([window].into());
        let (first, rest) = (layer(vec![strided(0, 1, 1)]), layer(vec![strided(1, 1, 2)]));
        assert!(!cover(&[part.clone(), first.clone()], &[3]));
        assert!(cover(&[part.clone(), first.clone(), rest.clone()], &[3]));
        let mut layers = vec![first, part, layer(vec![strided(0, 1, 3)]), rest];
        drop_hidden(&mut layers, &[3]);
        assert_eq!(layers.len(), 2);
    }

    #[test]
    fn boxes_come_in_c_order_and_layers_in_that_of_the_writes() {
        let layers = [
            layer(vec![strided(5, 1, 3), strided(0, 1, 9)]),
            layer(vec![listed(&[0, 7]), listed(&[8, 1])]),
            layer(vec![strided(6, 1, 1), strided(8, 1, 1)]),
        ];
        let split = LayerSplit::over(&layers, &[4, 4]);
        let (mut coords, mut found) = (Vec::new(), Vec::new());
        let mut seen = Vec::new();
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut found);
            seen.push((
                coords.clone(),
                found.iter().map(|one| one.piece.items()).collect::<Vec<_>>(),
            ));
        }
        let expected: [([u64; 2], &[u64]); 5] = [
            ([0, 0], &[1]),
            ([0, 2], &[1]),
            ([1, 0], &[12, 1]),
            ([1, 1], &[12]),
            ([1, 2], &[3, 1, 1]),
        ];
        assert_eq!(seen, expected.map(|(coords, items)| (coords.to_vec(), items.to_vec())));
    }
}
