//! What a chunk is at one stage of a chain: shape, data type and fill value.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::copy::{self, Buffer};
use crate::dtype::{Content, Kind, Layout};
use crate::error::{Error, Result};
use crate::heap::{self, Heap};
use crate::limits::{Expect, MAX_RANK, checked_product};
use crate::scratch::Bytes;
use crate::select::Piece;
use crate::variable;

#[derive(Clone, Debug)]
pub struct ChunkSpec {
    pub shape: Vec<u64>,
    pub layout: Layout,
    /// One item in native byte order.
    pub fill_value: Arc<[u8]>,
    /// What the fill value describes, where items are of variable length.
    pub(crate) fill_content: Option<Arc<[u8]>>,
}

impl ChunkSpec {
    /// A chunk of items of a fixed size, of which `fill_value` is one.
    pub fn new(shape: Vec<u64>, layout: Layout, fill_value: &[u8]) -> Result<Self> {
        if layout.variable().is_some() {
            return Err(Error::internal("a spec of items of fixed size was made with others"));
        }
        if fill_value.len() != layout.item_nbytes {
            return Err(Error::metadata(format!(
                "the fill value has {} bytes, an item {}",
                fill_value.len(),
                layout.item_nbytes
            )));
        }
        Self::checked(shape, layout, fill_value.into(), None)
    }

    /// A chunk of items of variable length: `fill_value` is what such an item holds.
    pub fn variable(shape: Vec<u64>, content: Content, fill_value: &[u8]) -> Result<Self> {
        variable::check_contents(std::iter::once(fill_value), content)
            .map_err(|_| Error::metadata("the fill value is not UTF-8"))?;
        let layout = Layout::new(Kind::Variable(content), heap::ITEM_NBYTES, Vec::new())?;
        let fill_content: Arc<[u8]> = fill_value.into();
        let descriptor = heap::describe(&fill_content);
        Self::checked(shape, layout, descriptor.as_slice().into(), Some(fill_content))
    }

    /// The same items in another shape.
    pub fn with_shape(&self, shape: Vec<u64>) -> Result<Self> {
        let (fill_value, fill_content) = (self.fill_value.clone(), self.fill_content.clone());
        Self::checked(shape, self.layout.clone(), fill_value, fill_content)
    }

    fn checked(
        shape: Vec<u64>,
        layout: Layout,
        fill_value: Arc<[u8]>,
        fill_content: Option<Arc<[u8]>>,
    ) -> Result<Self> {
        if shape.len() > MAX_RANK {
            return Err(Error::limit(format!(
                "{} axes; at most {MAX_RANK} are supported",
                shape.len()
            )));
        }
        checked_product(layout.item_nbytes as u64, &shape)?;
        Ok(ChunkSpec {
            shape,
            layout,
            fill_value,
            fill_content,
        })
    }

    /// The bytes of the fill value: the item itself, or what an item of variable length holds.
    pub fn fill_bytes(&self) -> &[u8] {
        self.fill_content.as_deref().unwrap_or(&self.fill_value)
    }

    /// Whether each of a chunk's items is, bit for bit, the fill value.
    pub fn is_all_fill(&self, items: &[u8]) -> bool {
        match &self.fill_content {
            None => copy::all_equal(items, &self.fill_value),
            // SAFETY: items of variable length are descriptors of live heaps, by the rule of `variable`.
            Some(value) => unsafe { variable::all_equal(items, value) },
        }
    }

    /// Sets the items of a piece to the fill value. What one of variable length holds is kept by the buffer's heap.
    ///
    /// # Safety
    /// The buffer's maker vouches for the piece.
    pub unsafe fn fill(&self, buffer: Buffer, piece: &Piece) {
        if let (Some(content), Some(heap)) = (&self.fill_content, buffer.heap()) {
            heap.keep(content.clone());
        }
        // SAFETY: the caller's promise.
        unsafe { copy::fill(buffer.start(), piece, &self.fill_value) };
    }

    /// Items of this chunk for somebody outside: as they are, or packed where they are of variable length.
    pub fn to_wire<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        match self.layout.variable() {
            None => Ok(items),
            // SAFETY: as above.
            Some(_) => unsafe { variable::pack(&items) },
        }
    }

    /// `count` items like this chunk's that somebody outside gave: the inverse of `to_wire`, with all checks. What
    /// items of variable length hold is kept by `heap`.
    pub fn from_wire<'a>(&self, data: Bytes<'a>, count: u64, heap: &Heap) -> Result<Bytes<'a>> {
        match self.layout.variable() {
            None => {
                let nbytes = usize::try_from(count.saturating_mul(self.layout.item_nbytes as u64));
                Expect::Exactly(nbytes.unwrap_or(usize::MAX)).check(data.len())?;
                Ok(data)
            }
            Some(content) => variable::unpack(data, count, content, heap).map(Bytes::from),
        }
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

// By what the fill value holds: an address says nothing.

impl PartialEq for ChunkSpec {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.layout == other.layout && self.fill_bytes() == other.fill_bytes()
    }
}

impl Eq for ChunkSpec {}

impl Hash for ChunkSpec {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.shape, &self.layout, self.fill_bytes()).hash(state);
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
