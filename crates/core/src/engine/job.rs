//! What a chunk job is: a state machine that says what it needs, and does no I/O.

use crate::codec::Stage;
use crate::error::Result;
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;
use crate::store::{ByteRange, Part};

/// Decoded bytes that one step of work should have: small enough to share out, large enough to be worth it.
pub const WORK_NBYTES: u64 = 1 << 20;
/// Encoded bytes that one request may fetch for inner chunks that lie together.
pub const FETCH_NBYTES: u64 = 4 << 20;
/// Bytes of an uncompressed chunk that are fetched and scattered at once: they stay in the cache of a core.
pub const BLOCK_NBYTES: u64 = 512 << 10;

/// What a job is told.
pub enum Input {
    Start,
    /// The ranges that it needed, in order.
    Ranges(Vec<Bytes<'static>>),
    /// The key has no value.
    Missing,
    /// What the stage that it asked for gave.
    Coded(Option<Bytes<'static>>),
    /// All the jobs that it split into are done.
    Joined,
}

/// What a job wants next.
pub enum Step {
    /// Ranges of its key.
    Need(Vec<ByteRange>),
    /// A codec that must be awaited.
    Code(Coding),
    /// Jobs of the same key; the job goes on when the last of them is done.
    Split(Vec<Box<dyn Job>>),
    /// Replace the key's value; then the job is done.
    Put(Vec<Part>),
    /// Delete the key; then the job is done.
    Delete,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Decode,
    Encode,
}

/// A request for a codec that must be awaited.
pub struct Coding {
    pub way: Way,
    pub stage: Stage,
    pub data: Bytes<'static>,
    /// What the chunk is in front of the stage.
    pub spec: ChunkSpec,
}

pub trait Job: Send {
    fn advance(&mut self, input: Input) -> Result<Step>;
}

/// The input cannot answer what the job asked: a mistake of the driver.
pub fn unexpected() -> crate::error::Error {
    crate::error::Error::internal("a job was given an answer that it did not ask for")
}
