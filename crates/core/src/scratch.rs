//! Buffers that are reused: no stage of a hot path asks the system for fresh memory.
//!
//! Each thread keeps the buffers that were dropped on it. A buffer's bytes are initialised but arbitrary: whoever
//! takes one writes all that it hands on.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut, Range};

use crate::error::{Error, Result};

/// What a thread keeps between calls; more is freed by `trim`.
const KEPT_NBYTES: usize = 8 << 20;
const KEPT_BUFFERS: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// `len` bytes of a reused allocation.
pub struct Scratch {
    vec: Vec<u8>,
    len: usize,
}

/// A buffer of `len` bytes with arbitrary content.
pub fn take(len: usize) -> Result<Scratch> {
    let mut vec = POOL
        .try_with(|pool| take_from(&mut pool.borrow_mut(), len))
        .unwrap_or_default();
    grow(&mut vec, len)?;
    Ok(Scratch { vec, len })
}

/// The smallest buffer that fits, else the largest, which then grows.
fn take_from(pool: &mut Vec<Vec<u8>>, len: usize) -> Vec<u8> {
    let fits = (0..pool.len())
        .filter(|&i| pool[i].len() >= len)
        .min_by_key(|&i| pool[i].len());
    match fits.or_else(|| (0..pool.len()).max_by_key(|&i| pool[i].len())) {
        Some(i) => pool.swap_remove(i),
        None => Vec::new(),
    }
}

fn grow(vec: &mut Vec<u8>, len: usize) -> Result<()> {
    if vec.len() >= len {
        return Ok(());
    }
    if vec.capacity() < len {
        // The old content is of no use: free it before asking, and let the system give zeroed pages.
        *vec = Vec::new();
        vec.try_reserve_exact(len).map_err(|_| Error::memory(len as u64))?;
    }
    vec.resize(len, 0);
    Ok(())
}

/// Frees what this thread keeps above its allowance: called at the end of each call.
pub fn trim() {
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        pool.sort_by_key(Vec::len);
        let mut kept = 0;
        pool.retain(|vec| {
            kept += vec.len();
            kept <= KEPT_NBYTES
        });
    });
}

impl Scratch {
    /// Shortens the view; the allocation stays.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Appends a few bytes (a checksum), moving to a larger allocation where there is no room.
    pub fn append(&mut self, tail: &[u8]) -> Result<()> {
        let end = self.len + tail.len();
        if self.vec.len() < end {
            self.vec
                .try_reserve(end - self.vec.len())
                .map_err(|_| Error::memory(end as u64))?;
            self.vec.resize(end, 0);
        }
        self.vec[self.len..end].copy_from_slice(tail);
        self.len = end;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let vec = std::mem::take(&mut self.vec);
        if vec.capacity() == 0 {
            return;
        }
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.len() < KEPT_BUFFERS
            {
                pool.push(vec);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.vec[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.vec[..self.len]
    }
}

/// Bytes on their way through a chain: borrowed from whoever read them, or in a reused buffer, or of a foreign owner.
pub enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Scratch(Scratch, Range<usize>),
    Foreign(Box<dyn AsRef<[u8]> + Send + Sync>, Range<usize>),
}

impl<'a> Bytes<'a> {
    pub fn foreign(owner: Box<dyn AsRef<[u8]> + Send + Sync>) -> Bytes<'static> {
        let len = (*owner).as_ref().len();
        Bytes::Foreign(owner, 0..len)
    }

    /// The same bytes without the first `from` and all from `to` on; copies nothing.
    ///
    /// `from <= to <= len` must hold.
    #[must_use]
    pub fn slice(self, from: usize, to: usize) -> Bytes<'a> {
        match self {
            Bytes::Borrowed(bytes) => Bytes::Borrowed(&bytes[from..to]),
            Bytes::Scratch(scratch, range) => Bytes::Scratch(scratch, range.start + from..range.start + to),
            Bytes::Foreign(owner, range) => Bytes::Foreign(owner, range.start + from..range.start + to),
        }
    }

    /// The bytes with `tail` behind them: in place where the buffer is ours.
    pub fn with_tail(self, tail: &[u8]) -> Result<Bytes<'a>> {
        if let Bytes::Scratch(mut scratch, range) = self {
            scratch.truncate(range.end);
            scratch.append(tail)?;
            return Ok(Bytes::Scratch(scratch, range.start..range.end + tail.len()));
        }
        let mut scratch = take(self.len() + tail.len())?;
        scratch[..self.len()].copy_from_slice(&self);
        scratch[self.len()..].copy_from_slice(tail);
        Ok(scratch.into())
    }

    /// The bytes with `head` in front of them.
    pub fn with_head(self, head: &[u8]) -> Result<Bytes<'a>> {
        let mut scratch = take(head.len() + self.len())?;
        scratch[..head.len()].copy_from_slice(head);
        scratch[head.len()..].copy_from_slice(&self);
        Ok(scratch.into())
    }

    /// The bytes after `change`: in place where the buffer is ours.
    pub fn changed(self, change: impl FnOnce(&mut [u8])) -> Result<Bytes<'a>> {
        if let Bytes::Scratch(mut scratch, range) = self {
            change(&mut scratch[range.clone()]);
            return Ok(Bytes::Scratch(scratch, range));
        }
        let mut copy = take(self.len())?;
        copy.copy_from_slice(&self);
        change(&mut copy);
        Ok(copy.into())
    }

    /// Bytes that borrow nothing.
    pub fn into_owned(self) -> Result<Bytes<'static>> {
        match self {
            Bytes::Borrowed(bytes) => {
                let mut scratch = take(bytes.len())?;
                scratch.copy_from_slice(bytes);
                Ok(scratch.into())
            }
            Bytes::Scratch(scratch, range) => Ok(Bytes::Scratch(scratch, range)),
            Bytes::Foreign(owner, range) => Ok(Bytes::Foreign(owner, range)),
        }
    }
}

impl From<Scratch> for Bytes<'_> {
    fn from(scratch: Scratch) -> Self {
        let len = scratch.len;
        Bytes::Scratch(scratch, 0..len)
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Scratch(scratch, range) => &scratch[range.clone()],
            Bytes::Foreign(owner, range) => &(**owner).as_ref()[range.clone()],
        }
    }
}

impl AsRef<[u8]> for Bytes<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
