//! Chunk grids: how an array's index space is cut into chunks.

use std::collections::BTreeSet;

use crate::cuts::Cuts;
use crate::error::{Error, Result};
use crate::limits::{MAX_RANK, checked_product};
use crate::select::{Piece, Split};

/// An array's shape, and how each of its axes is cut. Chunks at the border may reach beyond the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    shape: Vec<u64>,
    axes: Vec<Cuts>,
}

impl Grid {
    pub fn new(shape: Vec<u64>, axes: Vec<Cuts>) -> Result<Self> {
        if shape.len() != axes.len() || shape.len() > MAX_RANK {
            return Err(Error::metadata(format!(
                "a chunk grid of {} axes does not fit an array of shape {shape:?}",
                axes.len()
            )));
        }
        if shape.iter().any(|&n| n > i64::MAX as u64) {
            return Err(Error::limit(format!("shape {shape:?}: an extent is over 2^63 - 1")));
        }
        for (axis, (&n, cuts)) in shape.iter().zip(&axes).enumerate() {
            if let Some(end) = cuts.end().filter(|&end| end < n) {
                return Err(Error::metadata(format!(
                    "the chunks of axis {axis} end at {end}, and the array at {n}"
                )));
            }
        }
        Ok(Grid { shape, axes })
    }

    /// Chunks of one shape.
    pub fn regular(shape: Vec<u64>, chunk_shape: Vec<u64>) -> Result<Self> {
        checked_product(1, &chunk_shape)?;
        let axes: Result<Vec<Cuts>> = chunk_shape.into_iter().map(Cuts::even).collect();
        Grid::new(shape, axes?)
    }

    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// How many chunks the array takes along an axis.
    pub fn count(&self, axis: usize) -> u64 {
        let last = self.shape[axis].checked_sub(1);
        last.map_or(0, |last| self.axes[axis].locate(last).0 + 1)
    }

    /// The index at which a chunk starts along an axis.
    pub fn start(&self, axis: usize, coord: u64) -> u64 {
        self.axes[axis].chunk(coord).0
    }

    pub fn is_regular(&self) -> bool {
        self.axes.iter().all(|cuts| matches!(cuts, Cuts::Even(_)))
    }

    /// The shape of chunk `coords`, as it is encoded.
    pub fn chunk_shape(&self, coords: &[u64]) -> Vec<u64> {
        let axes = self.axes.iter().zip(coords);
        axes.map(|(cuts, &coord)| cuts.chunk(coord).1).collect()
    }

    /// The shape of the smallest chunk.
    pub fn least_chunk_shape(&self) -> Vec<u64> {
        let least = |cuts: &Cuts| match cuts {
            Cuts::Even(length) => *length,
            Cuts::Runs(runs) => runs.iter().map(|run| run.length).min().unwrap_or(1),
        };
        self.axes.iter().map(least).collect()
    }

    /// The chunks that a piece of the array touches, as pieces of each.
    pub fn split(&self, piece: &Piece) -> Split {
        Split::over(piece, |axis| self.axes[axis].clone())
    }

    /// The shapes of the chunks that a split of this grid touches, each once; about `most` of them where there are more.
    pub fn touched_shapes(&self, split: &Split, most: usize) -> Vec<Vec<u64>> {
        let mut shapes: BTreeSet<Vec<u64>> = BTreeSet::new();
        if split.is_empty() {
            return Vec::new();
        }
        // Axes that go together first: their lengths do not combine freely.
        let joint: Vec<usize> = split.joint_axes().collect();
        for coords in split.joint_coords() {
            let mut shape = vec![0; self.axes.len()];
            for (&axis, &coord) in joint.iter().zip(&coords) {
                shape[axis] = self.axes[axis].chunk(coord).1;
            }
            shapes.insert(shape);
            if shapes.len() >= most {
                break;
            }
        }
        if joint.is_empty() {
            shapes.insert(vec![0; self.axes.len()]);
        }
        for (axis, cuts) in self.axes.iter().enumerate().filter(|(axis, _)| !joint.contains(axis)) {
            let lengths = split.lengths(axis, cuts);
            let with = |shape: &Vec<u64>, length: u64| {
                let mut shape = shape.clone();
                shape[axis] = length;
                shape
            };
            let longer = lengths
                .iter()
                .flat_map(|&n| shapes.iter().map(move |shape| with(shape, n)));
            shapes = longer.take(most).collect();
        }
        shapes.into_iter().collect()
    }

    /// The part of chunk `coords` that lies inside the array.
    pub fn extent(&self, coords: &[u64]) -> Vec<u64> {
        let inside = |((&n, cuts), &coord): ((&u64, &Cuts), &u64)| {
            let (start, length) = cuts.chunk(coord);
            length.min(n.saturating_sub(start))
        };
        self.shape.iter().zip(&self.axes).zip(coords).map(inside).collect()
    }
}

#[cfg(test)]
mod tests;
