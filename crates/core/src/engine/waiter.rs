//! Waiting for what another process holds, without a worker: one thread asks again and again.
//!
//! A worker that waited for a lock would be missing where the job that holds another one needs it, in both processes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Asks once; whether there is no need to ask again.
pub type Attempt = Box<dyn FnMut() -> bool + Send>;

/// How long after the first attempt the second is made; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
/// The longest pause: what the end of another process's write, or a Ctrl-C, may go unnoticed for.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// The same between attempts to replace a value that others replace too: as long as a request takes, and more.
const FIRST_CONFLICT_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_CONFLICT_PAUSE: Duration = Duration::from_millis(500);
/// How long the thread stays when nobody waits.
const LINGER: Duration = Duration::from_secs(1);

struct Waiting {
    attempt: Attempt,
    due: Instant,
    pause: Duration,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    running: bool,
}

/// Those that wait; belongs to the process's `Runtime`.
#[derive(Default)]
pub struct Waiter {
    state: Mutex<State>,
    changed: Condvar,
}

impl Waiter {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks from time to time until there is no need to.
    pub fn ask(&'static self, attempt: Attempt) {
        let mut state = self.lock();
        state.waiting.push(Waiting {
            attempt,
            due: Instant::now() + FIRST_PAUSE,
            pause: FIRST_PAUSE,
        });
        if !state.running {
            let name = "zarrpipe-waiter".to_owned();
            state.running = std::thread::Builder::new()
                .name(name)
                .spawn(move || self.work())
                .is_ok();
            if !state.running {
                // No thread to be had: better late than never.
                drop(state);
                self.work();
                return;
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            let next = state.waiting.iter().map(|waiting| waiting.due).min();
            let pause = next.map_or(LINGER, |due| due.saturating_duration_since(Instant::now()));
            if !pause.is_zero() {
                let (after, waited) = self
                    .changed
                    .wait_timeout(state, pause)
                    .unwrap_or_else(PoisonError::into_inner);
                state = after;
                if waited.timed_out() && state.waiting.is_empty() {
                    state.running = false;
                    return;
                }
                continue;
            }
            let now = Instant::now();
            let due: Vec<Waiting> = state.waiting.extract_if(.., |waiting| waiting.due <= now).collect();
            // Without the lock: an attempt that succeeds hands work to the pool.
            drop(state);
            let again: Vec<Waiting> = due.into_iter().filter_map(Waiting::ask).collect();
            state = self.lock();
            state.waiting.extend(again);
        }
    }
}

impl Waiting {
    fn ask(mut self) -> Option<Self> {
        if (self.attempt)() {
            return None;
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.due = Instant::now() + some_of(self.pause);
        Some(self)
    }
}

/// Between half of a pause and all of it, so that several processes do not keep step.
fn some_of(pause: Duration) -> Duration {
    let random = (RandomState::new().hash_one(Instant::now()) % 512) as u32;
    pause * (512 + random) / 1024
}

/// How long a job waits that other writers have overtaken so many times.
pub fn pause_after(conflicts: u32) -> Duration {
    some_of((FIRST_CONFLICT_PAUSE * (1 << conflicts.min(16))).min(LONGEST_CONFLICT_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn it_asks_until_there_is_no_need_to() {
        let waiter: &'static Waiter = Box::leak(Box::default());
        let (told, hear) = mpsc::channel();
        for name in 0..3 {
            let (mut left, told) = (3 + name, told.clone());
            waiter.ask(Box::new(move || {
                left -= 1;
                if left == 0 {
                    told.send(name).unwrap();
                }
                left == 0
            }));
        }
        let mut heard: Vec<i32> = (0..3)
            .map(|_| hear.recv_timeout(Duration::from_secs(10)).unwrap())
            .collect();
        heard.sort_unstable();
        assert_eq!(heard, [0, 1, 2]);
        assert!(waiter.lock().waiting.is_empty());
    }
}
