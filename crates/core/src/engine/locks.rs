//! One writer a key: in this process by a queue of parked jobs for each, never of threads; beyond it by what the store
//! offers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::KeyLocks;

/// What goes on when the lock is handed over.
pub type Resume = Box<dyn FnOnce() + Send>;

/// What keeps writers of a key in other processes apart.
#[derive(Clone, Default)]
pub enum Locking {
    #[default]
    None,
    /// A lock beside the key.
    Keys(Arc<dyn KeyLocks>),
    /// A value that was read is replaced on condition that it is still there; whoever puts it sees to that, and says
    /// `Kind::Conflict` where it is not. The job then starts again, so many times at most.
    Conditional { retries: u32 },
}

/// A key of a store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LockId {
    pub store: String,
    pub key: String,
}

/// The keys that are being written, and who waits for each.
#[derive(Default)]
pub struct Locks {
    held: Mutex<HashMap<LockId, VecDeque<Resume>>>,
}

impl Locks {
    fn held(&self) -> MutexGuard<'_, HashMap<LockId, VecDeque<Resume>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock and gives `resume` back, or parks it: it then runs, holding the lock, when its turn comes.
    pub fn acquire(&self, id: &LockId, resume: Resume) -> Option<Resume> {
        let mut held = self.held();
        match held.get_mut(id) {
            Some(queue) => {
                queue.push_back(resume);
                None
            }
            None => {
                held.insert(id.clone(), VecDeque::new());
                Some(resume)
            }
        }
    }

    /// Hands the lock to the next in the queue.
    pub fn release(&self, id: &LockId) {
        let next = {
            let mut held = self.held();
            let next = held.get_mut(id).and_then(VecDeque::pop_front);
            if next.is_none() {
                held.remove(id);
            }
            next
        };
        if let Some(resume) = next {
            resume();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_lock_is_handed_over_in_order() {
        let locks = Locks::default();
        let id = LockId {
            store: "s".into(),
            key: "k".into(),
        };
        let turn = Arc::new(AtomicUsize::new(0));
        assert!(locks.acquire(&id, Box::new(|| {})).is_some());
        for expected in 0..3 {
            let turn = turn.clone();
            let resume = move || assert_eq!(turn.fetch_add(1, Ordering::SeqCst), expected);
            assert!(locks.acquire(&id, Box::new(resume)).is_none());
        }
        for done in 1..=3 {
            locks.release(&id);
            assert_eq!(turn.load(Ordering::SeqCst), done);
        }
        locks.release(&id);
        assert!(locks.acquire(&id, Box::new(|| {})).is_some());
    }
}
