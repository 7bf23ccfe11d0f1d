//! How an axis is cut into chunks: by one length, or by runs of lengths.

use std::sync::Arc;

use crate::error::{Error, Result};

/// How one axis is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// Chunks of one length, as many as the axis takes.
    Even(u64),
    /// Chunks of given lengths. They may reach beyond the array, and there may be more of them than it takes.
    Runs(Arc<[Run]>),
}

/// Chunks of one length that follow each other: never one by one, so that any number of them costs the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub length: u64,
    pub count: u64,
    /// The chunks before the run.
    pub first: u64,
    /// The indices before the run.
    pub start: u64,
}

impl Run {
    /// The index behind the run.
    pub fn end(&self) -> u64 {
        self.start + self.length * self.count
    }
}

impl Cuts {
    /// Chunks of one length.
    pub fn even(length: u64) -> Result<Self> {
        if length == 0 || length > i64::MAX as u64 {
            return Err(invalid(&format!("a chunk of length {length}")));
        }
        Ok(Cuts::Even(length))
    }

    /// Runs of (length, count).
    pub fn runs(runs: &[(u64, u64)]) -> Result<Self> {
        let (mut first, mut start) = (0u64, 0u64);
        let mut placed = Vec::with_capacity(runs.len());
        for &(length, count) in runs {
            if length == 0 || count == 0 {
                return Err(invalid(&format!("a run of {count} chunks of length {length}")));
            }
            placed.push(Run {
                length,
                count,
                first,
                start,
            });
            let end = length.checked_mul(count).and_then(|sum| start.checked_add(sum));
            start = end
                .filter(|&end| end <= i64::MAX as u64)
                .ok_or_else(|| invalid("chunks that reach beyond 2^63 - 1"))?;
            // No more chunks than indices.
            first += count;
        }
        if placed.is_empty() {
            return Err(invalid("no chunk"));
        }
        Ok(Cuts::Runs(placed.into()))
    }

    /// The chunk that holds an index, and the index inside it.
    pub fn locate(&self, index: u64) -> (u64, u64) {
        match self {
            Cuts::Even(length) => (index / length, index % length),
            Cuts::Runs(runs) => {
                let run = &runs[run_at(runs, index)];
                let inside = index - run.start;
                (run.first + inside / run.length, inside % run.length)
            }
        }
    }

    /// Where a chunk starts, and its length. Behind the last chunk it goes on with chunks like that.
    pub fn chunk(&self, coord: u64) -> (u64, u64) {
        match self {
            Cuts::Even(length) => (coord.saturating_mul(*length), *length),
            Cuts::Runs(runs) => {
                let run = &runs[runs.partition_point(|run| run.first <= coord).saturating_sub(1)];
                let before = (coord - run.first).saturating_mul(run.length);
                (run.start.saturating_add(before), run.length)
            }
        }
    }

    /// The index behind the last chunk, where there is one.
    pub fn end(&self) -> Option<u64> {
        match self {
            Cuts::Even(_) => None,
            Cuts::Runs(runs) => runs.last().map(Run::end),
        }
    }
}

/// The number of the run that holds an index.
pub fn run_at(runs: &[Run], index: u64) -> usize {
    runs.partition_point(|run| run.start <= index).saturating_sub(1)
}

fn invalid(what: &str) -> Error {
    Error::metadata(format!("{what}: an axis is cut into chunks of at least 1"))
}
