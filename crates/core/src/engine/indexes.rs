//! Indexes of shards that were read from a store that tells versions: the next read of a shard need not ask again.
//!
//! What is read by a kept index is asked for in the version that it belongs to, so a shard that was replaced is noticed;
//! a job that needs nothing else (all its inner chunks are empty) asks for the index again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::scratch::Bytes;
use crate::store::{ByteRange, Version};

/// What is kept of a key.
#[derive(Clone)]
pub struct Kept {
    pub range: ByteRange,
    pub bytes: Arc<[u8]>,
    pub value_nbytes: Option<u64>,
    pub version: Arc<dyn Version>,
}

impl Kept {
    /// The index as an answer.
    pub fn answer(&self) -> Bytes<'static> {
        Bytes::foreign(Box::new(self.bytes.clone()))
    }
}

#[derive(Default)]
struct State {
    by_key: HashMap<String, (u64, Kept)>,
    nbytes: usize,
    /// Counts uses: what was used last has the largest number.
    clock: u64,
}

/// Indexes by key, of at most so many bytes.
pub struct Indexes {
    max_nbytes: usize,
    state: Mutex<State>,
}

/// What an entry costs beside its bytes and its key.
const ENTRY_NBYTES: usize = 256;

fn cost(key: &str, kept: &Kept) -> usize {
    key.len() + kept.bytes.len() + ENTRY_NBYTES
}

impl Indexes {
    pub fn new(max_nbytes: usize) -> Self {
        Indexes {
            max_nbytes,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The range of a key, if it is kept.
    pub fn get(&self, key: &str, range: ByteRange) -> Option<Kept> {
        let mut state = self.state();
        state.clock += 1;
        let now = state.clock;
        let (used, kept) = state.by_key.get_mut(key)?;
        if kept.range != range {
            return None;
        }
        *used = now;
        Some(kept.clone())
    }

    pub fn keep(&self, key: &str, kept: Kept) {
        let nbytes = cost(key, &kept);
        if nbytes > self.max_nbytes / 4 {
            return;
        }
        let dropped = {
            let mut state = self.state();
            state.clock += 1;
            let now = state.clock;
            let mut dropped = Vec::new();
            if let Some((_, old)) = state.by_key.insert(key.to_owned(), (now, kept)) {
                state.nbytes -= cost(key, &old);
                dropped.push(old);
            }
            state.nbytes += nbytes;
            if state.nbytes > self.max_nbytes {
                dropped.extend(drop_oldest(&mut state, self.max_nbytes / 2));
            }
            dropped
        };
        // Outside the lock: a version may belong to Python, whose interpreter must not be waited for here.
        drop(dropped);
    }

    /// The key has been written.
    pub fn forget(&self, key: &str) {
        let dropped = {
            let mut state = self.state();
            let dropped = state.by_key.remove(key);
            if let Some((_, kept)) = &dropped {
                state.nbytes -= cost(key, kept);
            }
            dropped
        };
        drop(dropped);
    }
}

/// Drops what was not used for longest, half of all at a time: an order of use need not be kept up then.
fn drop_oldest(state: &mut State, max_nbytes: usize) -> Vec<Kept> {
    let mut ages: Vec<(u64, String)> = state
        .by_key
        .iter()
        .map(|(key, (used, _))| (*used, key.clone()))
        .collect();
    ages.sort_unstable();
    let mut dropped = Vec::new();
    for (_, key) in ages {
        if state.nbytes <= max_nbytes {
            break;
        }
        if let Some((_, kept)) = state.by_key.remove(&key) {
            state.nbytes -= cost(&key, &kept);
            dropped.push(kept);
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::any::Any;

    struct One;
    impl Version for One {
        fn same_as(&self, _: &dyn Version) -> bool {
            true
        }
        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    fn kept(nbytes: usize) -> Kept {
        Kept {
            range: ByteRange::Suffix { nbytes: 4 },
            bytes: vec![7; nbytes].into(),
            value_nbytes: None,
            version: Arc::new(One),
        }
    }

    #[test]
    fn what_was_used_last_stays_and_the_size_is_bounded() {
        let indexes = Indexes::new(10_000);
        let suffix = ByteRange::Suffix { nbytes: 4 };
        for number in 0..100 {
            indexes.keep(&number.to_string(), kept(1000));
            // "0" is used all the time.
            assert!(indexes.get("0", suffix).is_some(), "after {number}");
            assert!(indexes.state().nbytes <= 10_000);
        }
        assert!(indexes.get("1", suffix).is_none());
        assert!(indexes.get("99", suffix).is_some());
        assert!(indexes.get("99", ByteRange::Whole).is_none());
        indexes.forget("99");
        assert!(indexes.get("99", suffix).is_none());
        indexes.keep("large", kept(9000));
        assert!(indexes.get("large", suffix).is_none());
        let sum: usize = indexes
            .state()
            .by_key
            .iter()
            .map(|(key, (_, kept))| cost(key, kept))
            .sum();
        assert_eq!(indexes.state().nbytes, sum);
    }
}
