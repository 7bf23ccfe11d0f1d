//! The process's worker threads: started when first needed, started anew in a forked child.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::locks::Locks;
use super::waiter::Waiter;
use crate::scratch;
use crate::store::file;

/// Something that workers take units of work from.
pub trait Work: Send + Sync {
    /// Runs one unit, if there is one now.
    fn run_one(&self, worker: usize) -> bool;
    /// Whether `run_one` would find something.
    fn has_work(&self) -> bool;
}

/// All process-wide state of the engine. A forked child leaks its parent's and makes its own, so that no lock that
/// another thread held at the fork is ever taken.
pub struct Runtime {
    pid: u32,
    pub locks: Locks,
    pub waiter: Waiter,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    active: VecDeque<Arc<dyn Work>>,
    threads: usize,
    idle: usize,
    closing: bool,
}

static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(std::ptr::null_mut());
static THREADS: AtomicUsize = AtomicUsize::new(0);
static PID: AtomicU32 = AtomicU32::new(0);

/// How many workers calls may use (setting `threads`); 0 means the available parallelism.
pub fn set_threads(threads: usize) {
    THREADS.store(threads, Ordering::Relaxed);
}

pub fn threads() -> usize {
    // Kept: the system's answer comes from files.
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    match THREADS.load(Ordering::Relaxed) {
        0 => *AVAILABLE.get_or_init(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        n => n,
    }
}

/// To be called in a forked child: its parent's threads are not there. The pid check alone would do, but for a pid
/// that is used again.
pub fn after_fork() {
    file::lock::after_fork();
    RUNTIME.store(std::ptr::null_mut(), Ordering::Release);
    PID.store(0, Ordering::Release);
}

/// Lets idle workers end, for a process that is about to exit. Later calls still work.
pub fn close() {
    let runtime = RUNTIME.load(Ordering::Acquire);
    if runtime.is_null() || PID.load(Ordering::Acquire) != std::process::id() {
        return;
    }
    // SAFETY: runtimes are never freed.
    let runtime = unsafe { &*runtime };
    runtime.lock().closing = true;
    runtime.wake.notify_all();
}

impl Runtime {
    /// This process's runtime.
    pub fn get() -> &'static Runtime {
        let pid = std::process::id();
        loop {
            let current = RUNTIME.load(Ordering::Acquire);
            if !current.is_null() {
                // SAFETY: runtimes are never freed: a forked child leaks its parent's.
                let runtime = unsafe { &*current };
                if runtime.pid == pid {
                    return runtime;
                }
            }
            let made = Box::into_raw(Box::new(Runtime::new(pid)));
            if RUNTIME
                .compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                PID.store(pid, Ordering::Release);
            } else {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
            }
        }
    }

    fn new(pid: u32) -> Self {
        Runtime {
            pid,
            locks: Locks::default(),
            waiter: Waiter::default(),
            state: Mutex::new(State {
                active: VecDeque::new(),
                threads: 0,
                idle: 0,
                closing: false,
            }),
            wake: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that `work` has units: workers look at it, and more workers are started if all are busy.
    pub fn submit(&'static self, work: &Arc<dyn Work>) {
        let mut state = self.lock();
        state.closing = false;
        if !state.active.iter().any(|known| Arc::ptr_eq(known, work)) {
            state.active.push_back(work.clone());
        }
        let wanted = threads();
        while state.threads < wanted && state.idle < wanted {
            let worker = state.threads;
            let name = format!("zarrpipe-{worker}");
            let spawned = std::thread::Builder::new().name(name).spawn(move || self.work(worker));
            if spawned.is_err() {
                // Fewer workers than wished for; with none at all the caller's wait would never end, so run here.
                if state.threads == 0 {
                    drop(state);
                    while work.run_one(0) {}
                    return;
                }
                break;
            }
            state.threads += 1;
        }
        drop(state);
        self.wake.notify_all();
    }

    fn work(&self, worker: usize) {
        ON_WORKER.with(|flag| flag.set(true));
        let mut state = self.lock();
        loop {
            if worker >= threads() || (state.closing && state.active.is_empty()) {
                state.threads -= 1;
                return;
            }
            let Some(work) = state.active.front().cloned() else {
                scratch::trim();
                state.idle += 1;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            // Take turns between calls, so that a long one does not starve a short one.
            state.active.rotate_left(1);
            drop(state);
            let ran = work.run_one(worker);
            state = self.lock();
            if !ran && !work.has_work() {
                state.active.retain(|known| !Arc::ptr_eq(known, &work));
            }
        }
    }
}

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is one of the workers: what it asks for runs in it, since waiting for other workers
/// could wait for ever.
pub fn on_worker() -> bool {
    ON_WORKER.with(Cell::get)
}
