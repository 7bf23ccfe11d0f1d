//! Where the bytes of items of variable length lie, and the descriptors that stand for these in items: see
//! `variable.rs`.

use std::sync::{Mutex, PoisonError};

/// Bytes of a descriptor.
pub const ITEM_NBYTES: usize = 16;

type Owner = Box<dyn AsRef<[u8]> + Send + Sync>;

/// The owner of bytes that descriptors point to. It only grows, and threads share it.
#[derive(Default)]
pub struct Heap(Mutex<Vec<Owner>>);

impl Heap {
    /// Keeps bytes for as long as the heap lives, in the place where they are given back.
    pub fn keep(&self, owner: impl AsRef<[u8]> + Send + Sync + 'static) -> &[u8] {
        let owner: Owner = Box::new(owner);
        let bytes: *const [u8] = (*owner).as_ref();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(owner);
        // SAFETY: the owner is behind a box that is neither moved out nor dropped before the heap is, and nobody can
        // reach it to change its bytes.
        unsafe { &*bytes }
    }

    /// What was kept as the `index`th.
    #[cfg(test)]
    pub fn kept(&self, index: usize) -> Vec<u8> {
        self.0.lock().unwrap()[index].as_ref().as_ref().to_vec()
    }
}

/// The descriptor of bytes, valid for as long as these stay where they are.
pub fn describe(bytes: &[u8]) -> [u8; ITEM_NBYTES] {
    let mut descriptor = [0; ITEM_NBYTES];
    descriptor[..8].copy_from_slice(&(bytes.as_ptr().expose_provenance() as u64).to_ne_bytes());
    descriptor[8..].copy_from_slice(&(bytes.len() as u64).to_ne_bytes());
    descriptor
}
