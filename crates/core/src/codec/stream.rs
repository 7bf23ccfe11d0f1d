//! How coders that take their input and give their output piece by piece are driven: block by block, so that a cancelled
//! call ends soon, and never beyond what is expected.

use super::output::Output;
use crate::cancel::cancelled;
use crate::error::{Error, Result};

const BLOCK_NBYTES: usize = 1 << 20;

/// What one call of a coder did.
pub(super) struct Step {
    pub read: usize,
    pub written: usize,
    /// The stream is complete.
    pub end: bool,
}

/// Feeds `data` to `step` until the stream ends. Gives what is behind it. `step` is told whether its input is the last.
pub(super) fn run<'d>(
    mut data: &'d [u8],
    output: &mut Output,
    mut step: impl FnMut(&[u8], &mut [u8], bool) -> Result<Step>,
) -> Result<&'d [u8]> {
    loop {
        if cancelled() {
            return Err(Error::cancelled("the call was given up"));
        }
        let part = &data[..data.len().min(BLOCK_NBYTES)];
        let last = part.len() == data.len();
        if output.free().is_empty() && output.can_grow() {
            output.grow()?;
        }
        let free = output.free();
        let done = if free.is_empty() {
            // Complete, unless there is more: to see the end of the stream, decoders need somewhere to write.
            let done = step(part, &mut [0], last)?;
            if done.written > 0 {
                return Err(output.overflow());
            }
            done
        } else {
            let room = free.len().min(BLOCK_NBYTES);
            let done = step(part, &mut free[..room], last)?;
            output.advance(done.written);
            done
        };
        data = &data[done.read..];
        if done.end {
            return Ok(data);
        }
        if done.read == 0 && done.written == 0 {
            return Err(Error::truncated("the stream is cut short"));
        }
    }
}
