//! Sources and sinks of byte ranges that answer in the calling thread.

pub mod file;
pub mod merge;

use std::any::Any;
use std::sync::Arc;

use crate::engine::job::FETCH_NBYTES;
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};

/// A range of a value's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    Whole,
    /// `nbytes` from `offset`: a shorter answer is an error.
    Range {
        offset: u64,
        nbytes: u64,
    },
    /// The last `nbytes`.
    Suffix {
        nbytes: u64,
    },
}

/// A piece of a new value: new bytes, or a range of the value that it replaces.
pub enum Part {
    New(Bytes<'static>),
    Old { offset: u64, nbytes: u64 },
}

/// The bytes of parts that are all new, in one piece; a single part is not copied.
pub fn concatenate(mut parts: Vec<Part>) -> Result<Bytes<'static>> {
    let only = || Error::internal("ranges of an old value where every part must be new");
    if parts.len() == 1 {
        return match parts.pop() {
            Some(Part::New(bytes)) => Ok(bytes),
            _ => Err(only()),
        };
    }
    let new = |part: &Part| match part {
        Part::New(bytes) => Ok(bytes.len()),
        Part::Old { .. } => Err(only()),
    };
    let mut whole = scratch::take(parts.iter().map(new).sum::<Result<usize>>()?)?;
    let mut at = 0;
    for part in parts {
        if let Part::New(bytes) = part {
            whole[at..at + bytes.len()].copy_from_slice(&bytes);
            at += bytes.len();
        }
    }
    Ok(whole.into())
}

/// How a store is best asked.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Bytes that are cheaper to read along than a second request.
    pub merge_gap: u64,
    /// What one request for ranges that are merged fetches, at most.
    pub request_nbytes: u64,
    /// A value that is wanted whole is fetched in one request, up to this size.
    pub whole_nbytes: u64,
    /// Whether an answer takes so long that all that a job needs is asked for at once, and shared out when it has come.
    pub slow: bool,
}

impl Access {
    /// Of local files: requests cost next to nothing, so they are as large as what one thread does at a time.
    pub fn files(merge_gap: u64) -> Self {
        Access {
            merge_gap,
            request_nbytes: FETCH_NBYTES,
            whole_nbytes: 0,
            slow: false,
        }
    }
}

/// What a read gives.
pub struct Found {
    /// The bytes of each range, in order.
    pub parts: Vec<Bytes<'static>>,
    /// The size of the whole value, where the store says it.
    pub value_nbytes: Option<u64>,
}

/// What tells a value from others of its key, where a store that is awaited says it.
pub trait Version: Send + Sync {
    fn same_as(&self, other: &dyn Version) -> bool;
    fn as_any(&self) -> &dyn Any;
}

/// What must be stored under a key for a new value to take its place.
pub enum Condition {
    /// Whatever there is.
    Always,
    /// Nothing.
    Absent,
    /// The value that was read.
    Same(Arc<dyn Version>),
}

/// The value that a job reads, held open so that every read of the job sees the same one.
pub type Handle = Arc<dyn Any + Send + Sync>;

/// A lock that is held until it is dropped.
pub type Locked = Box<dyn Any + Send + Sync>;

/// Locks of an array's keys that writers in other processes see.
pub trait KeyLocks: Send + Sync {
    /// Takes the lock of a key, `None` where another writer has it. Never waits.
    fn try_lock(&self, key: &str) -> Result<Option<Locked>>;
}

/// A store whose calls return when they are done.
pub trait Store: Send + Sync {
    /// What tells this store from others in the lock table: equal for two handles of one place.
    fn identity(&self) -> &str;
    /// Reads ranges of one value, `None` where the key has none. The first call of a job leaves its handle in
    /// `handle`; later calls with it read the same version or fail with `Kind::Conflict`.
    fn read(&self, key: &str, ranges: &[ByteRange], handle: &mut Option<Handle>) -> Result<Option<Found>>;
    /// Replaces a value atomically. `handle` is the value that `Part::Old` speaks of.
    fn put(&self, key: &str, parts: &[Part], handle: Option<&Handle>) -> Result<()>;
    /// Deletes a value; no error where there is none.
    fn delete(&self, key: &str) -> Result<()>;
    /// Bytes that are cheaper to read along than a second request.
    fn merge_gap(&self) -> u64;
    /// Told before many keys are put: the folders (key prefixes without trailing "/") that they lie in.
    fn prepare(&self, _folders: &mut dyn Iterator<Item = String>) -> Result<()> {
        Ok(())
    }
    /// Locks between processes for the keys of the array at `path`, where the store has them.
    fn key_locks(&self, _path: &str) -> Option<Arc<dyn KeyLocks>> {
        None
    }
}
