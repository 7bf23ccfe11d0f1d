//! What a chunk is at one stage of a chain: shape, data type and fill value.

use std::sync::Arc;

use crate::dtype::Layout;
use crate::error::{Error, Result};
use crate::limits::{MAX_RANK, checked_product};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChunkSpec {
    pub shape: Vec<u64>,
    pub layout: Layout,
    /// One item in native byte order.
    pub fill_value: Arc<[u8]>,
}

impl ChunkSpec {
    pub fn new(shape: Vec<u64>, layout: Layout, fill_value: &[u8]) -> Result<Self> {
        if shape.len() > MAX_RANK {
            return Err(Error::limit(format!(
                "{} axes; at most {MAX_RANK} are supported",
                shape.len()
            )));
        }
        if fill_value.len() != layout.item_nbytes {
            return Err(Error::metadata(format!(
                "the fill value has {} bytes, an item {}",
                fill_value.len(),
                layout.item_nbytes
            )));
        }
        checked_product(layout.item_nbytes as u64, &shape)?;
        Ok(ChunkSpec {
            shape,
            layout,
            fill_value: fill_value.into(),
        })
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Items of the chunk. Cannot overflow: `new` has checked.
    pub fn items(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Bytes of the decoded chunk.
    pub fn nbytes(&self) -> u64 {
        self.items() * self.layout.item_nbytes as u64
    }

    /// Byte strides of the chunk in C order.
    pub fn strides(&self) -> Vec<isize> {
        c_strides(&self.shape, self.layout.item_nbytes)
    }
}

/// Byte strides in C order; shapes have been checked to stay within the address space.
pub fn c_strides(shape: &[u64], item_nbytes: usize) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut stride = item_nbytes as isize;
    for (slot, &extent) in strides.iter_mut().zip(shape).rev() {
        *slot = stride;
        stride *= extent.max(1) as isize;
    }
    strides
}
