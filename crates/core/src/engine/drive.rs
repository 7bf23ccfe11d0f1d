//! Calls and the two drivers of their jobs.
//!
//! A `Call` is one read or write in progress: chunk jobs, made one by one as workers come for them. With a store that
//! answers at once a worker reads and goes straight on; with an event loop a job that needs something is parked, the
//! request waits in a queue that the loop empties, and the answer puts the job back in line.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::indexes::{Indexes, Kept};
use super::job::{Coding, Input, Job, PartCoding, Step};
use super::locks::{LockId, Locking};
use super::pool::{Runtime, Work, on_worker, threads};
use super::waiter;
use crate::cancel;
use crate::error::{Error, Kind, Result};
use crate::scratch;
use crate::store::merge::Merged;
use crate::store::{Access, ByteRange, Condition, Found, Handle, KeyLocks, Locked, Part, Store, Version};

/// How long a call that was given up is waited for.
const GRACE: Duration = Duration::from_millis(200);

/// The chunk jobs of a call, by number.
pub trait Jobs: Send + Sync {
    fn len(&self) -> u64;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn make(&self, ordinal: u64) -> Result<ChunkJob>;
    /// Lets go of what the jobs use: the call has ended.
    fn release(&self) {}
    /// Whether jobs of one key must wait for one another; then the name of the store for the lock.
    fn lock_store(&self) -> Option<&str>;
    /// What keeps writers in other processes apart.
    fn locking(&self) -> &Locking {
        &Locking::None
    }
}

/// The job of one chunk.
pub struct ChunkJob {
    pub job: Box<dyn Job>,
    pub key: String,
    pub coords: Vec<u64>,
    /// The codec that meets the stored bytes first: to blame where nobody else is.
    pub codec: Arc<str>,
}

/// Who answers what jobs need.
pub enum Io {
    /// The worker itself.
    Blocking(Arc<dyn Store>),
    /// An event loop, with this many requests at a time. `wake` tells it that something is waiting.
    Loop {
        requests: usize,
        wake: Wake,
        access: Access,
        /// Where the indexes of shards are kept, if the store may tell versions.
        indexes: Option<Arc<Indexes>>,
    },
    /// The worker reads and writes, the loop awaits codecs.
    Mixed {
        store: Arc<dyn Store>,
        requests: usize,
        wake: Wake,
    },
}

pub type Wake = Arc<dyn Fn() + Send + Sync>;

impl Io {
    /// The store that a worker calls.
    fn store(&self) -> Option<&dyn Store> {
        match self {
            Io::Blocking(store) | Io::Mixed { store, .. } => Some(&**store),
            Io::Loop { .. } => None,
        }
    }

    /// The event loop's bound and its wake-up.
    fn event_loop(&self) -> Option<(usize, &Wake)> {
        match self {
            Io::Blocking(_) => None,
            Io::Loop { requests, wake, .. } | Io::Mixed { requests, wake, .. } => Some((*requests, wake)),
        }
    }

    fn indexes(&self) -> Option<&Indexes> {
        match self {
            Io::Loop { indexes, .. } => indexes.as_deref(),
            _ => None,
        }
    }
}

/// What an event loop is asked for.
pub enum Request {
    Get {
        key: String,
        ordinal: u64,
        ranges: Vec<ByteRange>,
        /// The version that the ranges must be of, where one was read before.
        version: Option<Arc<dyn Version>>,
    },
    Put {
        key: String,
        ordinal: u64,
        parts: Vec<Part>,
        condition: Condition,
    },
    Delete {
        key: String,
        ordinal: u64,
    },
    Code(Coding),
    CodePart {
        key: String,
        part: PartCoding,
    },
}

/// What it answers.
pub enum Answer {
    Found(Found, Option<Arc<dyn Version>>),
    Missing,
    Coded(Option<scratch::Bytes<'static>>),
    /// A value was written or deleted, or a codec gave None.
    Nothing,
}

pub struct Call {
    jobs: Box<dyn Jobs>,
    io: Io,
    cancel: Arc<AtomicBool>,
    /// Workers when the call was made: the order of its chunks depends on it.
    threads: usize,
    state: Mutex<CallState>,
    changed: Condvar,
    /// Itself, to hand to the pool.
    me: Weak<Call>,
}

#[derive(Default)]
struct CallState {
    /// Chunk jobs that have been started.
    started: u64,
    /// Chunk jobs started and not ended.
    running: u64,
    /// Tasks that can go on: each worker's own first, then anybody's.
    ready: Vec<VecDeque<Task>>,
    /// Requests that the loop has not taken.
    waiting: VecDeque<(u64, Request)>,
    /// Tasks whose request has been made.
    parked: HashMap<u64, Task>,
    next_id: u64,
    error: Option<Error>,
    ended: bool,
}

struct Task {
    job: Box<dyn Job>,
    next: Next,
    chunk: Arc<Chunk>,
    join: Option<Arc<Join>>,
    /// Whether it need not ask for its key's lock.
    locked: bool,
    /// Whether the request that it waits for is a codec's: None is then an answer to go on with.
    coding: bool,
    /// The ranges that it waits for, as the loop is asked for them.
    asked: Option<Asked>,
}

struct Asked {
    merged: Merged,
    /// The index of a shard: worth keeping.
    index: Option<ByteRange>,
}

/// How a task goes on.
enum Next {
    Advance(Input),
    /// Its last step has been carried out, or has failed.
    Finish(Result<()>),
}

/// What the tasks of one chunk share.
struct Chunk {
    ordinal: u64,
    key: String,
    coords: Vec<u64>,
    codec: Arc<str>,
    lock: Option<LockId>,
    /// Its lock between processes, until it has ended.
    held: Mutex<Option<Locked>>,
    handle: Mutex<Option<Handle>>,
    /// What the event loop has told of the value.
    seen: Mutex<Seen>,
    /// Whether a kept index was used and nothing has shown yet that the shard is still the same.
    doubtful: AtomicBool,
    restarts: u32,
}

#[derive(Default)]
enum Seen {
    #[default]
    Nothing,
    /// There was no value.
    Absent,
    /// A value of a store that tells no versions.
    Unversioned,
    Value(Arc<dyn Version>),
}

impl Chunk {
    fn version(&self) -> Option<Arc<dyn Version>> {
        match &*guard(&self.seen) {
            Seen::Value(version) => Some(version.clone()),
            _ => None,
        }
    }

    /// Takes note of an answer; an error where it is not of the value that was answered from before.
    fn see(&self, version: Option<Arc<dyn Version>>) -> Result<()> {
        let Some(version) = version else {
            *guard(&self.seen) = Seen::Unversioned;
            return Ok(());
        };
        // Compared outside the lock: versions may be Python's.
        if let Some(known) = self.version() {
            if !known.same_as(&*version) {
                return Err(Error::new(Kind::Conflict, "the value was replaced while it was read"));
            }
        } else {
            *guard(&self.seen) = Seen::Value(version);
        }
        self.doubtful.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// What must be there for the chunk to be replaced, where it was read to be changed.
    fn condition(&self) -> Result<Condition> {
        match &*guard(&self.seen) {
            Seen::Nothing => Ok(Condition::Always),
            Seen::Absent => Ok(Condition::Absent),
            Seen::Value(version) => Ok(Condition::Same(version.clone())),
            Seen::Unversioned => Err(Error::unsupported(
                "locking=\"conditional\" needs a store that tells versions, such as ObjectStore; local files have \
                 locking=\"file\"",
            )),
        }
    }
}

/// A job that waits for those that it split into.
struct Join {
    remaining: AtomicUsize,
    parent: Mutex<Option<Task>>,
    error: Mutex<Option<Error>>,
}

fn given_up() -> Error {
    Error::cancelled("the call was given up")
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Call {
    pub fn new(jobs: Box<dyn Jobs>, io: Io) -> Arc<Self> {
        Arc::new_cyclic(|me| Call {
            jobs,
            io,
            cancel: Arc::new(AtomicBool::new(false)),
            threads: threads(),
            state: Mutex::new(CallState::default()),
            changed: Condvar::new(),
            me: me.clone(),
        })
    }

    /// Begins on the workers.
    pub fn start(self: &Arc<Self>) {
        if self.jobs.is_empty() {
            self.end_if_done();
            return;
        }
        self.submit();
    }

    fn submit(&self) {
        if let Some(me) = self.me.upgrade() {
            let work: Arc<dyn Work> = me;
            Runtime::get().submit(&work);
        }
    }

    /// Runs the call in this thread; what a lock holds back ends on a worker.
    pub fn run_here(self: &Arc<Self>) {
        while self.run_one(0) {}
        self.end_if_done();
        scratch::trim();
    }

    /// Waits until the call has ended; `check` is called every 50 ms and may give up.
    pub fn wait(&self, check: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut state = guard(&self.state);
        while !state.ended {
            let waited = self.changed.wait_timeout(state, Duration::from_millis(50));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !state.ended {
                drop(state);
                if let Err(error) = check() {
                    self.give_up();
                    return Err(error);
                }
                state = guard(&self.state);
            }
        }
        drop(state);
        self.result()
    }

    /// Cancels, and gives what runs a moment to end: most callers then find nothing at work behind their back. A codec
    /// that takes longer over its chunk is left to a worker, which publishes nothing.
    fn give_up(&self) {
        self.cancel();
        let state = guard(&self.state);
        drop(self.changed.wait_timeout_while(state, GRACE, |state| !state.ended));
    }

    /// Lets go of what the jobs use, if the call has ended. For its caller, in the caller's thread: a worker may hold
    /// the call itself for a while yet.
    pub fn release(&self) {
        if self.ended() {
            self.jobs.release();
        }
    }

    /// The outcome of a call that has ended.
    pub fn result(&self) -> Result<()> {
        if !self.ended() {
            return Err(Error::internal(
                "the result of a call was asked for before it had ended",
            ));
        }
        guard(&self.state).error.take().map_or(Ok(()), Err)
    }

    pub fn ended(&self) -> bool {
        guard(&self.state).ended
    }

    /// Gives the call up: what runs ends as soon as it looks, nothing new is started, and no key is written.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        guard(&self.state).error.get_or_insert_with(given_up);
        self.drop_parked();
        self.submit();
    }

    /// Ends the tasks that wait for answers, which nobody needs any more.
    fn drop_parked(&self) {
        // Dropped outside the lock: what they hold may belong to a caller whose own lock must not be waited for here.
        let (waiting, parked) = {
            let mut state = guard(&self.state);
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.parked))
        };
        drop(waiting);
        for task in parked.into_values() {
            self.finish(task, Err(given_up()), 0);
        }
    }

    // ---- the event loop's side

    /// Requests for the loop to answer, at most as many as may be in flight.
    pub fn take_requests(&self, limit: usize) -> Vec<(u64, Request)> {
        let mut state = guard(&self.state);
        let n = limit.min(state.waiting.len());
        state.waiting.drain(..n).collect()
    }

    pub fn answer(&self, id: u64, answer: Result<Answer>) {
        let Some(mut task) = guard(&self.state).parked.remove(&id) else {
            return;
        };
        // The loop's thread does no more than this: what follows runs on a worker.
        task.next = match answer {
            Ok(Answer::Found(found, version)) => match self.found(&task.chunk, task.asked.take(), found, version) {
                Ok(found) => Next::Advance(Input::Found(found)),
                Err(error) => Next::Finish(Err(error)),
            },
            Ok(Answer::Missing) => {
                *guard(&task.chunk.seen) = Seen::Absent;
                Next::Advance(Input::Missing)
            }
            Ok(Answer::Coded(data)) => Next::Advance(Input::Coded(data)),
            Ok(Answer::Nothing) => {
                if task.coding {
                    Next::Advance(Input::Coded(None))
                } else {
                    Next::Finish(Ok(()))
                }
            }
            Err(error) => Next::Finish(Err(error)),
        };
        task.coding = false;
        self.push_ready(vec![task], usize::MAX);
        self.submit();
    }

    /// An answer as the job wants it.
    fn found(
        &self,
        chunk: &Chunk,
        asked: Option<Asked>,
        found: Found,
        version: Option<Arc<dyn Version>>,
    ) -> Result<Found> {
        chunk.see(version)?;
        let Some(Asked { merged, index }) = asked else {
            return Ok(found);
        };
        let Found { parts, value_nbytes } = found;
        if let (Some(range), Some(indexes), Some(version), Some(bytes)) =
            (index, self.io.indexes(), chunk.version(), parts.first())
        {
            let kept = Kept {
                range,
                bytes: (**bytes).into(),
                value_nbytes,
                version,
            };
            indexes.keep(&chunk.key, kept);
        }
        let parts = merged.cut(parts)?;
        Ok(Found { parts, value_nbytes })
    }

    /// The index of a chunk's shard, if it is kept; the job's first step then needs no request.
    fn kept_index(&self, chunk: &Chunk, range: ByteRange) -> Option<Found> {
        // Who writes must know what is there now; and a job that was begun again has met another shard.
        if chunk.lock.is_some() || chunk.restarts > 0 {
            return None;
        }
        let kept = self.io.indexes()?.get(&chunk.key, range)?;
        let first = {
            let mut seen = guard(&chunk.seen);
            let first = matches!(*seen, Seen::Nothing);
            if first {
                *seen = Seen::Value(kept.version.clone());
            }
            first
        };
        if !first {
            // A shard in a shard: of the version that is being read, or asked for.
            let known = chunk.version()?;
            if !known.same_as(&*kept.version) {
                return None;
            }
        } else {
            chunk.doubtful.store(true, Ordering::Relaxed);
        }
        Some(Found {
            parts: vec![kept.answer()],
            value_nbytes: kept.value_nbytes,
        })
    }

    fn request(&self, task: Task, request: Request) {
        let Some((_, wake)) = self.io.event_loop() else {
            let error = Error::internal("a codec must be awaited, and the call has no event loop");
            return self.finish(task, Err(error), 0);
        };
        let first = {
            let mut state = guard(&self.state);
            // Under the lock: what is parked after the call was given up would never be ended.
            if state.error.is_some() {
                drop(state);
                return self.finish(task, Err(given_up()), 0);
            }
            let id = state.next_id;
            state.next_id += 1;
            state.waiting.push_back((id, request));
            state.parked.insert(id, task);
            state.waiting.len() == 1
        };
        // One wake-up for many requests: the loop empties the queue.
        if first {
            wake();
        }
    }

    // ---- tasks

    fn push_ready(&self, tasks: Vec<Task>, worker: usize) {
        let mut state = guard(&self.state);
        let lanes = state.ready.len();
        if lanes == 0 {
            state.ready.resize_with(self.threads, VecDeque::new);
        }
        let lane = if worker < state.ready.len() { worker } else { 0 };
        state.ready[lane].extend(tasks);
    }

    /// The next task: one's own, then a new chunk, then somebody else's.
    fn next_task(&self, worker: usize) -> Option<Task> {
        let ordinal = {
            let mut state = guard(&self.state);
            if let Some(task) = state.ready.get_mut(worker).and_then(VecDeque::pop_front) {
                return Some(task);
            }
            if self.may_start(&state) {
                state.started += 1;
                state.running += 1;
                spread(state.started - 1, self.jobs.len(), self.threads as u64)
            } else {
                let fullest = state.ready.iter_mut().max_by_key(|lane| lane.len())?;
                return fullest.pop_back();
            }
        };
        match self.make_task(ordinal, 0) {
            Ok(task) => Some(task),
            Err(error) => {
                self.chunk_ended(Err(error));
                self.next_task(worker)
            }
        }
    }

    fn may_start(&self, state: &CallState) -> bool {
        let room = self
            .io
            .event_loop()
            .is_none_or(|(requests, _)| state.parked.len() < requests);
        // `ended` too: the error may have been handed out by now.
        room && !state.ended && state.error.is_none() && state.started < self.jobs.len()
    }

    fn make_task(&self, ordinal: u64, restarts: u32) -> Result<Task> {
        let ChunkJob {
            job,
            key,
            coords,
            codec,
        } = self.jobs.make(ordinal)?;
        let lock = self.jobs.lock_store().map(|store| LockId {
            store: store.to_owned(),
            key: key.clone(),
        });
        let chunk = Arc::new(Chunk {
            ordinal,
            key,
            coords,
            codec,
            lock,
            held: Mutex::new(None),
            handle: Mutex::new(None),
            seen: Mutex::default(),
            doubtful: AtomicBool::new(false),
            restarts,
        });
        let locked = chunk.lock.is_none();
        Ok(Task {
            job,
            next: Next::Advance(Input::Start),
            chunk,
            join: None,
            locked,
            coding: false,
            asked: None,
        })
    }

    /// Runs a task; a job that writes first takes its key's lock, or is parked until it is handed over.
    fn begin(&self, mut task: Task, worker: usize) {
        if task.locked {
            return self.enter(task, worker);
        }
        let Some(id) = task.chunk.lock.clone() else {
            return self.enter(task, worker);
        };
        // Whenever it runs from now on, it holds the lock.
        task.locked = true;
        let slot = Arc::new(Mutex::new(Some(task)));
        let (parked, me) = (slot.clone(), self.me.clone());
        let handed = id.clone();
        let resume = move || match (me.upgrade(), guard(&parked).take()) {
            (Some(call), Some(task)) => {
                call.push_ready(vec![task], usize::MAX);
                call.submit();
            }
            // The call is gone: so is its turn.
            _ => Runtime::get().locks.release(&handed),
        };
        if Runtime::get().locks.acquire(&id, Box::new(resume)).is_some()
            && let Some(task) = guard(&slot).take()
        {
            self.enter(task, worker);
        }
    }

    /// Runs a task that has its turn in this process; a job that writes takes its key's lock between processes, or
    /// leaves its worker until the lock is free.
    fn enter(&self, task: Task, worker: usize) {
        let Locking::Keys(locks) = self.jobs.locking() else {
            return self.run(task, worker);
        };
        if guard(&task.chunk.held).is_some() || matches!(task.next, Next::Finish(_)) {
            return self.run(task, worker);
        }
        if self.failed() {
            return self.finish(task, Err(given_up()), worker);
        }
        match locks.try_lock(&task.chunk.key) {
            Ok(Some(lock)) => {
                *guard(&task.chunk.held) = Some(lock);
                self.run(task, worker);
            }
            Ok(None) => self.await_lock(task, locks.clone()),
            Err(error) => self.finish(task, Err(error), worker),
        }
    }

    /// Parks a task until its key's lock is free in the other processes, or the call has failed.
    fn await_lock(&self, task: Task, locks: Arc<dyn KeyLocks>) {
        let Some(call) = self.me.upgrade() else { return };
        let mut slot = Some(task);
        let attempt = move || {
            let Some(task) = &mut slot else { return true };
            if !call.failed() {
                match locks.try_lock(&task.chunk.key) {
                    Ok(Some(lock)) => *guard(&task.chunk.held) = Some(lock),
                    Ok(None) => return false,
                    Err(error) => task.next = Next::Finish(Err(error)),
                }
            }
            call.push_ready(slot.take().into_iter().collect(), usize::MAX);
            call.submit();
            true
        };
        Runtime::get().waiter.ask(Box::new(attempt));
    }

    /// Runs a task that another writer has overtaken: after a pause, which is longer each time.
    fn run_later(&self, task: Task) {
        let Some(call) = self.me.upgrade() else { return };
        let due = Instant::now() + waiter::pause_after(task.chunk.restarts);
        let mut slot = Some(task);
        let attempt = move || {
            if Instant::now() < due && !call.failed() {
                return false;
            }
            call.push_ready(slot.take().into_iter().collect(), usize::MAX);
            call.submit();
            true
        };
        Runtime::get().waiter.ask(Box::new(attempt));
    }

    /// Whether the call has an error or was given up: nothing more is begun.
    fn failed(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || guard(&self.state).error.is_some()
    }

    /// Advances a task as far as it goes in this thread.
    fn run(&self, mut task: Task, worker: usize) {
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return self.finish(task, Err(given_up()), worker);
            }
            let input = match std::mem::replace(&mut task.next, Next::Finish(Ok(()))) {
                Next::Advance(input) => input,
                Next::Finish(result) => return self.finish(task, result, worker),
            };
            let step = catch_unwind(AssertUnwindSafe(|| task.job.advance(input)));
            let step = step.unwrap_or_else(|_| Err(Error::internal("a chunk job panicked")));
            task.next = match step {
                Ok(Step::Done) => Next::Finish(Ok(())),
                Ok(Step::Split(jobs)) if jobs.is_empty() => Next::Advance(Input::Joined),
                Ok(Step::Split(jobs)) => return self.split(task, jobs, worker),
                Ok(Step::Code(coding)) => {
                    task.coding = true;
                    return self.request(task, Request::Code(coding));
                }
                Ok(Step::CodePart(part)) => {
                    // Writing is the codec's last word; what it decodes is an answer to go on with.
                    task.coding = part.items.is_none();
                    let key = task.chunk.key.clone();
                    return self.request(task, Request::CodePart { key, part });
                }
                // Given up while it was encoded: nothing is published.
                Ok(Step::Put(_) | Step::Delete) if self.cancel.load(Ordering::Relaxed) => Next::Finish(Err(given_up())),
                Ok(step) => match self.io.store() {
                    Some(store) => blocking(store, &task.chunk, step),
                    None => match self.ask(&mut task, step) {
                        Ok(Some(request)) => return self.request(task, request),
                        // It is at hand.
                        Ok(None) => continue,
                        Err(error) => Next::Finish(Err(error)),
                    },
                },
                Err(error) => Next::Finish(Err(error)),
            };
        }
    }

    /// What the loop is asked for; None where the task can go on without.
    fn ask(&self, task: &mut Task, step: Step) -> Result<Option<Request>> {
        let chunk = &*task.chunk;
        let (key, ordinal) = (chunk.key.clone(), chunk.ordinal);
        let (ranges, index) = match step {
            Step::Need(ranges) => (ranges, None),
            Step::NeedIndex(range) => {
                if let Some(found) = self.kept_index(chunk, range) {
                    task.next = Next::Advance(Input::Found(found));
                    return Ok(None);
                }
                (vec![range], Some(range))
            }
            Step::Put(parts) => {
                if let Some(indexes) = self.io.indexes() {
                    indexes.forget(&key);
                }
                let condition = match self.jobs.locking() {
                    Locking::Conditional { .. } => chunk.condition()?,
                    _ => Condition::Always,
                };
                return Ok(Some(Request::Put {
                    key,
                    ordinal,
                    parts,
                    condition,
                }));
            }
            _ => {
                if let Some(indexes) = self.io.indexes() {
                    indexes.forget(&key);
                }
                return Ok(Some(Request::Delete { key, ordinal }));
            }
        };
        let merged = match self.io {
            Io::Loop { access, .. } => Merged::new(ranges, access),
            _ => return Err(Error::internal("a loop was asked for bytes that workers read")),
        };
        let request = Request::Get {
            key,
            ordinal,
            ranges: merged.ranges.clone(),
            version: chunk.version(),
        };
        task.asked = Some(Asked { merged, index });
        Ok(Some(request))
    }

    fn split(&self, task: Task, jobs: Vec<Box<dyn Job>>, worker: usize) {
        let chunk = task.chunk.clone();
        let join = Arc::new(Join {
            remaining: AtomicUsize::new(jobs.len()),
            parent: Mutex::new(Some(task)),
            error: Mutex::new(None),
        });
        let tasks = jobs
            .into_iter()
            .map(|job| Task {
                job,
                next: Next::Advance(Input::Start),
                chunk: chunk.clone(),
                join: Some(join.clone()),
                locked: true,
                coding: false,
                asked: None,
            })
            .collect();
        self.push_ready(tasks, worker);
        self.submit_if_shared();
    }

    /// Wakes the workers for sub-jobs, unless the call runs in its caller's thread.
    fn submit_if_shared(&self) {
        if on_worker() {
            self.submit();
        }
    }

    fn finish(&self, task: Task, result: Result<()>, worker: usize) {
        let Task { chunk, join, job, .. } = task;
        drop(job);
        let Some(join) = join else {
            let result = result.map_err(|error| error.at(&chunk.key, &chunk.coords).blaming(&chunk.codec));
            return self.end_chunk(&chunk, result, worker);
        };
        if let Err(error) = result {
            guard(&join.error).get_or_insert(error);
        }
        if join.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let (parent, error) = (guard(&join.parent).take(), guard(&join.error).take());
        if let Some(parent) = parent {
            match error {
                Some(error) => self.finish(parent, Err(error), worker),
                None => self.run(
                    Task {
                        next: Next::Advance(Input::Joined),
                        ..parent
                    },
                    worker,
                ),
            }
        }
    }

    /// A chunk's last task has ended.
    fn end_chunk(&self, chunk: &Arc<Chunk>, result: Result<()>, worker: usize) {
        let again = match &result {
            // All that was wanted is empty by a kept index: is it still?
            Ok(()) => chunk.doubtful.load(Ordering::Relaxed) && !self.failed(),
            Err(error) => self.may_restart(chunk, error),
        };
        if again && let Ok(task) = self.make_task(chunk.ordinal, chunk.restarts + 1) {
            *guard(&task.chunk.held) = guard(&chunk.held).take();
            let task = Task { locked: true, ..task };
            return match self.jobs.locking() {
                Locking::Conditional { .. } => self.run_later(task),
                _ => self.run(task, worker),
            };
        }
        drop(guard(&chunk.held).take());
        if let Some(id) = &chunk.lock {
            Runtime::get().locks.release(id);
        }
        self.chunk_ended(result);
    }

    /// A value that changed between two requests is read again from the start: three times where the store said so,
    /// once where a loop's answers may have been of two versions.
    fn may_restart(&self, chunk: &Chunk, error: &Error) -> bool {
        // What a Python store raised is passed on as it is, but for its word that a value has changed.
        if self.failed() || (error.is_foreign() && error.kind() != Kind::Conflict) {
            return false;
        }
        match error.kind() {
            Kind::Conflict => match self.jobs.locking() {
                Locking::Conditional { retries } => chunk.restarts < *retries,
                _ => chunk.restarts < 3,
            },
            Kind::Codec | Kind::Checksum | Kind::Truncated | Kind::Size | Kind::ShardIndex => {
                chunk.restarts == 0 && guard(&chunk.handle).is_none() && chunk.version().is_none()
            }
            _ => false,
        }
    }

    fn chunk_ended(&self, result: Result<()>) {
        let failed = result.is_err();
        {
            let mut state = guard(&self.state);
            state.running -= 1;
            if let Err(error) = result {
                state.error.get_or_insert(error);
            }
        }
        if failed {
            self.drop_parked();
        }
        self.end_if_done();
    }

    fn end_if_done(&self) {
        {
            let mut state = guard(&self.state);
            let all = state.started == self.jobs.len() || state.error.is_some();
            if state.running > 0 || !all || state.ended {
                return;
            }
            state.ended = true;
            self.changed.notify_all();
        }
        // Outside the lock: the loop may hold a lock of its own that it waits for.
        if let Some((_, wake)) = self.io.event_loop() {
            wake();
        }
    }
}

fn blocking(store: &dyn Store, chunk: &Chunk, step: Step) -> Next {
    // Sub-jobs of one chunk read side by side, so the handle is copied out and not held.
    let mut handle = guard(&chunk.handle).clone();
    let step = match step {
        Step::NeedIndex(range) => Step::Need(vec![range]),
        step => step,
    };
    match step {
        Step::Need(ranges) => match store.read(&chunk.key, &ranges, &mut handle) {
            Ok(answer) => {
                let mut kept = guard(&chunk.handle);
                if kept.is_none() {
                    *kept = handle;
                }
                Next::Advance(answer.map_or(Input::Missing, Input::Found))
            }
            Err(error) => Next::Finish(Err(error)),
        },
        Step::Put(parts) => Next::Finish(store.put(&chunk.key, &parts, handle.as_ref())),
        _ => Next::Finish(store.delete(&chunk.key)),
    }
}

impl Work for Call {
    fn run_one(&self, worker: usize) -> bool {
        let Some(task) = self.next_task(worker) else {
            return false;
        };
        cancel::with(&self.cancel, || self.begin(task, worker));
        true
    }

    fn has_work(&self) -> bool {
        let state = guard(&self.state);
        state.ready.iter().any(|lane| !lane.is_empty()) || self.may_start(&state)
    }
}

/// The `i`-th chunk to start: threads begin in different parts of the output, so that they do not meet in one page.
fn spread(i: u64, len: u64, threads: u64) -> u64 {
    let threads = threads.clamp(1, len);
    let (block, longer) = (len / threads, len % threads);
    let (lane, place) = if i < block * threads {
        (i % threads, i / threads)
    } else {
        (i - block * threads, block)
    };
    lane * block + lane.min(longer) + place
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn spread_starts_every_chunk_once() {
        for len in 1..40 {
            for threads in 1..9 {
                let mut found: Vec<u64> = (0..len).map(|i| spread(i, len, threads)).collect();
                found.sort_unstable();
                assert_eq!(found, (0..len).collect::<Vec<_>>(), "{len} chunks on {threads} threads");
            }
        }
    }
}
