//! Where a coder of unknown output size writes: a buffer of the exact size where that is known, else one that grows
//! with what really comes out, up to the limit. What a stream claims never decides what is allocated.

use super::Expect;
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes, Scratch};

const FIRST_NBYTES: usize = 1 << 16;

pub struct Output {
    buffer: Scratch,
    filled: usize,
    expect: Expect,
}

impl Output {
    pub fn new(expect: Expect, input_nbytes: usize) -> Result<Self> {
        let first = match expect {
            Expect::Exactly(nbytes) => nbytes,
            Expect::AtMost(limit) => limit.min(input_nbytes.saturating_mul(4).max(FIRST_NBYTES)),
        };
        Output::with_room(first, expect)
    }

    /// With room for `first` bytes before it grows.
    pub fn with_room(first: usize, expect: Expect) -> Result<Self> {
        Ok(Output {
            buffer: scratch::take(first)?,
            filled: 0,
            expect,
        })
    }

    /// The part that is still to be written.
    pub fn free(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// The first `nbytes` of the free part have been written. Gives them.
    pub fn advance(&mut self, nbytes: usize) -> &[u8] {
        let from = self.filled;
        self.filled += nbytes;
        &self.buffer[from..self.filled]
    }

    pub fn can_grow(&self) -> bool {
        self.buffer.len() < self.expect.limit()
    }

    /// The error for more data than there can rightly be.
    pub fn overflow(&self) -> Error {
        self.expect.overflow()
    }

    /// Makes more room, or says that there is more data than there can rightly be.
    pub fn grow(&mut self) -> Result<()> {
        if !self.can_grow() {
            return Err(self.overflow());
        }
        let (len, limit) = (self.buffer.len(), self.expect.limit());
        let mut larger = scratch::take(len.saturating_mul(2).min(limit))?;
        larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
        self.buffer = larger;
        Ok(())
    }

    /// What has been written, if that is as much as was expected.
    pub fn finish(mut self) -> Result<Bytes<'static>> {
        self.expect.check(self.filled)?;
        self.buffer.truncate(self.filled);
        Ok(self.buffer.into())
    }
}
