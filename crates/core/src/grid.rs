//! Chunk grids: how an array's index space is cut into chunks.

use crate::error::{Error, Result};
use crate::limits::{MAX_RANK, checked_product};
use crate::select::{Piece, Split};

/// A grid of equal chunks; those at the border reach beyond the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    shape: Vec<u64>,
    chunk_shape: Vec<u64>,
}

impl Grid {
    pub fn regular(shape: Vec<u64>, chunk_shape: Vec<u64>) -> Result<Self> {
        if shape.len() != chunk_shape.len() || shape.len() > MAX_RANK {
            return Err(Error::metadata(format!(
                "chunks {chunk_shape:?} do not fit an array of shape {shape:?}"
            )));
        }
        if chunk_shape.contains(&0) {
            return Err(Error::metadata(format!(
                "chunks {chunk_shape:?}: every extent must be positive"
            )));
        }
        if shape.iter().chain(&chunk_shape).any(|&n| n > i64::MAX as u64) {
            return Err(Error::limit(format!("shape {shape:?}: an extent is over 2^63 - 1")));
        }
        checked_product(1, &chunk_shape)?;
        Ok(Grid { shape, chunk_shape })
    }

    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    pub fn chunk_shape(&self) -> &[u64] {
        &self.chunk_shape
    }

    /// The chunks that a piece of the array touches, as pieces of each.
    pub fn split(&self, piece: &Piece) -> Split {
        Split::new(piece, &self.chunk_shape)
    }

    /// The part of chunk `coords` that lies inside the array.
    pub fn extent(&self, coords: &[u64]) -> Vec<u64> {
        let axes = self.shape.iter().zip(&self.chunk_shape).zip(coords);
        axes.map(|((&n, &chunk), &coord)| chunk.min(n.saturating_sub(coord.saturating_mul(chunk))))
            .collect()
    }
}
