//! A call in progress, and how it is waited for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use numpy::PyUntypedArray;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PySlice, PyTuple};
use zarrpipe_core::chain::{Chain, Encoding, Gathered};
use zarrpipe_core::codec::Stage;
use zarrpipe_core::copy::Buffer;
use zarrpipe_core::engine::drive::{Answer, Call, ChunkJob, Io, Jobs, Request};
use zarrpipe_core::engine::indexes::Indexes;
use zarrpipe_core::engine::job::Way;
use zarrpipe_core::engine::locks::Locking;
use zarrpipe_core::engine::pool::on_worker;
use zarrpipe_core::engine::unit::{DecodeUnit, Destination, EncodeUnit};
use zarrpipe_core::engine::write::Slots;
use zarrpipe_core::error::{Error, Result};
use zarrpipe_core::heap::Heap;
use zarrpipe_core::layers::Layer;
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::select::Piece;
use zarrpipe_core::store::{Access, ByteRange, Condition, concatenate};

use crate::buffer::{self, Owned};
use crate::error::{foreign, to_python};
use crate::pycodec::PyCodec;
use crate::pystore::{Place, ranges_to_python, version_to_python, versioned_answer_from_python};
use crate::variable::{ArrayItems, Decoded, Staging};

static IO_REQUESTS: AtomicUsize = AtomicUsize::new(64);

/// Requests that a call may have in flight (setting `io_requests`).
pub fn set_io_requests(requests: usize) {
    IO_REQUESTS.store(requests.max(1), Ordering::Relaxed);
}

/// Jobs, with what must live as long as they do.
pub struct Held<J: Jobs> {
    pub jobs: J,
    /// The arrays whose memory the jobs use, until the call has ended.
    keep: Mutex<Vec<Py<PyAny>>>,
    /// Memory of ours that they use.
    _staging: Vec<Arc<Staging>>,
}

impl<J: Jobs> Held<J> {
    pub fn new(jobs: J, keep: Vec<Py<PyAny>>) -> Self {
        Held {
            jobs,
            keep: Mutex::new(keep),
            _staging: Vec::new(),
        }
    }

    /// Jobs on arrays: see `ArrayItems::keep`.
    pub fn staged(jobs: J, arrays: Vec<(Py<PyAny>, Option<Arc<Staging>>)>) -> Self {
        let (keep, staging): (Vec<_>, Vec<_>) = arrays.into_iter().unzip();
        Held {
            jobs,
            keep: Mutex::new(keep),
            _staging: staging.into_iter().flatten().collect(),
        }
    }
}

impl<J: Jobs> Jobs for Held<J> {
    fn len(&self) -> u64 {
        self.jobs.len()
    }
    fn make(&self, ordinal: u64) -> Result<ChunkJob> {
        self.jobs.make(ordinal)
    }
    fn lock_store(&self) -> Option<&str> {
        self.jobs.lock_store()
    }
    fn locking(&self) -> &Locking {
        self.jobs.locking()
    }
    fn release(&self) {
        drop(std::mem::take(
            &mut *self.keep.lock().unwrap_or_else(PoisonError::into_inner),
        ));
    }
}

/// Runs jobs against a store that answers at once: in this thread where that is cheap, else on the workers.
pub fn run_blocking(py: Python<'_>, jobs: Box<dyn Jobs>, place: &Place, here: bool, array: &str) -> PyResult<()> {
    let Place::Blocking { store, .. } = place else {
        return Err(PyRuntimeError::new_err(
            "the store needs an event loop: use start_read or start_write",
        ));
    };
    let call = Call::new(jobs, Io::Blocking(store.clone()));
    let outcome = py.detach(|| {
        if here || on_worker() {
            call.run_here();
        } else {
            call.start();
        }
        call.wait(&mut || Python::attach(|py| py.check_signals()).map_err(foreign))
    });
    // Attached: a reference that is dropped without the interpreter goes through a lock that a fork may leave taken.
    call.release();
    outcome.map_err(|error| to_python(py, error, Some(array)))
}

type Waker = Arc<Mutex<Option<Py<PyAny>>>>;

/// The `Io` of a call whose requests `Run` hands to a loop.
fn loop_io(waker: &Waker, access: Access, indexes: Option<Arc<Indexes>>) -> Io {
    let waker = waker.clone();
    let wake = move || {
        // No Python any more: nobody is waiting.
        let _ = Python::try_attach(|py| {
            let callable = {
                let slot = waker.lock().unwrap_or_else(PoisonError::into_inner);
                slot.as_ref().map(|callable| callable.clone_ref(py))
            };
            if let Some(callable) = callable
                && let Err(error) = callable.call0(py)
            {
                // The loop was closed while the call ran: it has no one to tell.
                error.write_unraisable(py, None);
            }
        });
    };
    Io::Loop {
        requests: IO_REQUESTS.load(Ordering::Relaxed),
        wake: Arc::new(wake),
        access,
        indexes,
    }
}

/// Of calls that ask for no keys.
const NO_ACCESS: Access = Access {
    merge_gap: 0,
    request_nbytes: 0,
    whole_nbytes: 0,
    slow: false,
};

/// What a run gives when it has ended.
pub enum Outcome {
    Array(ArrayItems),
    Nothing,
    /// The array of a batch, and for each chunk whether it was missing.
    Missing(ArrayItems, Arc<[AtomicBool]>),
    /// Decoded chunks.
    Arrays(Vec<Option<Decoded>>),
    /// Encoded chunks: where each item of the batch stands among the slots.
    Slots(Slots, Vec<Option<u64>>),
}

#[pyclass(frozen, module = "zarrpipe._core")]
pub struct Run {
    call: Arc<Call>,
    waker: Waker,
    outcome: Mutex<Option<Outcome>>,
    /// The ranges of each request that is in flight, to check the answers by.
    asked: Mutex<std::collections::HashMap<u64, Vec<ByteRange>>>,
    array: String,
    conditional: bool,
}

impl Run {
    /// A run over a store of either kind; with one that answers at once only codecs are asked of the loop.
    pub fn new(jobs: Box<dyn Jobs>, place: &Place, outcome: Outcome, array: &str) -> Self {
        let waker = Waker::default();
        let indexes = match place {
            Place::Loop { indexes, .. } => Some(indexes.clone()),
            Place::Blocking { .. } => None,
        };
        let io = match (place, loop_io(&waker, place.access(), indexes)) {
            (Place::Blocking { store, .. }, Io::Loop { requests, wake, .. }) => Io::Mixed {
                store: store.clone(),
                requests,
                wake,
            },
            (_, io) => io,
        };
        Self::with_io(jobs, io, waker, outcome, array)
    }

    fn with_io(jobs: Box<dyn Jobs>, io: Io, waker: Waker, outcome: Outcome, array: &str) -> Self {
        Run {
            conditional: matches!(jobs.locking(), Locking::Conditional { .. }),
            call: Call::new(jobs, io),
            waker,
            outcome: Mutex::new(Some(outcome)),
            asked: Mutex::default(),
            array: array.to_owned(),
        }
    }

    /// Codes chunks that are in memory.
    pub fn batch(
        py: Python<'_>,
        chain: Arc<Chain>,
        batch: Vec<Option<Bound<'_, PyAny>>>,
        kind: BatchKind,
    ) -> PyResult<Self> {
        let waker = Waker::default();
        let mut inputs = Vec::new();
        let mut arrays: Vec<Option<Decoded>> = Vec::new();
        let mut places = Vec::new();
        let mut targets = Vec::new();
        for item in batch {
            let Some(item) = item else {
                arrays.push(None);
                places.push(None);
                continue;
            };
            places.push(Some(inputs.len() as u64));
            inputs.push(Mutex::new(Some(buffer::bytes(&item)?)));
            if let BatchKind::Decode = kind {
                let array = Decoded::new(py, &chain)?;
                targets.push(array.buffer(py));
                arrays.push(Some(array));
            }
        }
        let slots = Slots::new(inputs.len() as u64);
        let keep = arrays.iter().flatten().filter_map(|array| array.array(py)).collect();
        let staged = arrays.iter().flatten().filter_map(Decoded::staging).collect();
        let jobs = Held::new(
            Coded {
                chain,
                inputs,
                targets,
                slots: slots.clone(),
                kind,
                _staged: staged,
            },
            keep,
        );
        let outcome = match kind {
            BatchKind::Decode => Outcome::Arrays(arrays),
            BatchKind::Encode(_) => Outcome::Slots(slots, places),
        };
        let io = loop_io(&waker, NO_ACCESS, None);
        Ok(Self::with_io(Box::new(jobs), io, waker, outcome, ""))
    }

    fn request<'py>(&self, py: Python<'py>, id: u64, request: Request) -> PyResult<Bound<'py, PyAny>> {
        Ok(match request {
            Request::Get {
                key, ranges, version, ..
            } => {
                let version = version_to_python(py, version.as_ref());
                let tuple = ("get", id, key, ranges_to_python(py, &ranges)?, version)
                    .into_pyobject(py)?
                    .into_any();
                self.asked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(id, ranges);
                tuple
            }
            Request::Put {
                key, parts, condition, ..
            } => {
                let condition = match &condition {
                    Condition::Always => None,
                    Condition::Absent => Some((py.None().into_bound(py),)),
                    Condition::Same(version) => Some((version_to_python(py, Some(version)),)),
                };
                let bytes = concatenate(parts).map_err(|error| to_python(py, error, Some(&self.array)))?;
                ("set", id, key, Bound::new(py, Owned::new(bytes))?, condition)
                    .into_pyobject(py)?
                    .into_any()
            }
            Request::Delete { key, .. } => ("delete", id, key).into_pyobject(py)?.into_any(),
            Request::CodePart { key, part } => {
                let stage = stage_object(py, &part.stage)?;
                let slice = |&(start, step, len): &(u64, u64, u64)| {
                    let stop = if len == 0 { start } else { start + (len - 1) * step + 1 };
                    PySlice::new(py, start as isize, stop as isize, step as isize)
                };
                let selection = PyTuple::new(py, part.selection.iter().map(slice))?;
                match part.items {
                    None => ("decode_partial", id, stage, key, selection)
                        .into_pyobject(py)?
                        .into_any(),
                    Some(items) => {
                        let items = Bound::new(py, Owned::new(items))?;
                        ("encode_partial", id, stage, key, selection, items)
                            .into_pyobject(py)?
                            .into_any()
                    }
                }
            }
            Request::Code(coding) => {
                let way = match coding.way {
                    Way::Decode => "decode",
                    Way::Encode => "encode",
                };
                let stage = stage_object(py, &coding.stage)?;
                (way, id, stage, Bound::new(py, Owned::new(coding.data))?)
                    .into_pyobject(py)?
                    .into_any()
            }
        })
    }

    fn parse_answer(&self, id: u64, answer: &Bound<'_, PyAny>) -> Result<Answer> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(ranges) = asked {
            let answer = versioned_answer_from_python(answer, &ranges)?;
            return Ok(answer.map_or(Answer::Missing, |(found, version)| Answer::Found(found, version)));
        }
        if answer.is_none() {
            return Ok(Answer::Nothing);
        }
        Ok(Answer::Coded(Some(buffer::bytes(answer).map_err(foreign)?)))
    }
}

/// The Python object of a stage that must be awaited.
fn stage_object(py: Python<'_>, stage: &Stage) -> PyResult<Py<PyAny>> {
    stage
        .codec()
        .as_any()
        .downcast_ref::<PyCodec>()
        .map(|codec| codec.object().clone_ref(py))
        .ok_or_else(|| PyRuntimeError::new_err("a built-in codec asked to be awaited"))
}

#[pymethods]
impl Run {
    fn start(&self, py: Python<'_>, wake: Py<PyAny>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
        py.detach(|| self.call.start());
    }

    #[pyo3(signature = (limit = 64))]
    fn take<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let requests = py.detach(|| self.call.take_requests(limit));
        requests
            .into_iter()
            .map(|(id, request)| self.request(py, id, request))
            .collect()
    }

    fn answer(&self, py: Python<'_>, id: u64, result: &Bound<'_, PyAny>) {
        let answer = self.parse_answer(id, result);
        py.detach(|| self.call.answer(id, answer));
    }

    fn fail(&self, py: Python<'_>, id: u64, error: &Bound<'_, PyAny>) {
        let error = foreign(PyErr::from_value(error.clone()));
        py.detach(|| self.call.answer(id, Err(error)));
    }

    fn cancel(&self, py: Python<'_>) {
        py.detach(|| self.call.cancel());
    }

    #[getter]
    fn conditional(&self) -> bool {
        self.conditional
    }

    #[getter]
    fn finished(&self, py: Python<'_>) -> bool {
        py.detach(|| self.call.ended())
    }

    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ended = py.detach(|| self.call.result());
        self.call.release();
        drop(self.waker.lock().unwrap_or_else(PoisonError::into_inner).take());
        ended.map_err(|error| to_python(py, error, Some(&self.array)))?;
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(match outcome {
            None | Some(Outcome::Nothing) => py.None().into_bound(py),
            Some(Outcome::Array(array)) => array.finish(py)?.into_any(),
            Some(Outcome::Missing(array, missing)) => {
                array.finish(py)?;
                PyList::new(py, missing.iter().map(|flag| flag.load(Ordering::Relaxed)))?.into_any()
            }
            Some(Outcome::Arrays(arrays)) => {
                let finish = |array: Option<Decoded>| array.map(|array| array.finish(py)).transpose();
                let arrays: PyResult<Vec<_>> = arrays.into_iter().map(finish).collect();
                PyList::new(py, arrays?)?.into_any()
            }
            Some(Outcome::Slots(slots, places)) => {
                let chunks = slots.take();
                let bytes = |place: Option<u64>| -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
                    match place
                        .and_then(|place| chunks.get(place as usize))
                        .and_then(|chunk| chunk.bytes())
                    {
                        Some(bytes) => buffer::array_of_bytes(py, bytes).map(Some),
                        None => Ok(None),
                    }
                };
                let items: PyResult<Vec<_>> = places.into_iter().map(bytes).collect();
                PyList::new(py, items?)?.into_any()
            }
        })
    }
}

#[derive(Clone, Copy)]
pub enum BatchKind {
    Decode,
    Encode(Encoding),
}

/// Chunks in memory as jobs.
struct Coded {
    chain: Arc<Chain>,
    inputs: Vec<Mutex<Option<Bytes<'static>>>>,
    targets: Vec<Buffer>,
    slots: Slots,
    kind: BatchKind,
    /// What targets belong to that are not Python's.
    _staged: Vec<Arc<Staging>>,
}

impl Jobs for Coded {
    fn len(&self) -> u64 {
        self.inputs.len() as u64
    }

    fn make(&self, ordinal: u64) -> Result<ChunkJob> {
        let chain = self.chain.clone();
        let spec = chain.spec();
        let input = self.inputs[ordinal as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let data = input.ok_or_else(|| Error::internal("a chunk of a batch was asked for twice"))?;
        let whole = Piece::whole(&spec.shape, &spec.strides());
        let job: Box<dyn zarrpipe_core::engine::job::Job> = match self.kind {
            BatchKind::Decode => {
                let piece = chain.fold_piece(whole);
                Box::new(DecodeUnit::new(
                    chain.clone(),
                    data,
                    piece,
                    self.targets[ordinal as usize],
                ))
            }
            BatchKind::Encode(encoding) => {
                let heap = Arc::new(Heap::default());
                let data = match spec.layout.variable() {
                    Some(_) => spec.from_wire(data, spec.items(), &heap)?,
                    None => data,
                };
                if data.len() as u64 != spec.nbytes() {
                    let message = format!("{} bytes are not a chunk of {}", data.len(), spec.nbytes());
                    return Err(Error::value(message));
                }
                // SAFETY: gathering only reads the chunk's items, which `data` holds until it is done.
                let buffer = unsafe { Buffer::new(data.as_ptr().cast_mut()) };
                let piece = chain.fold_piece(whole);
                let Gathered { items, .. } = chain.gather(None, &[Layer { piece, buffer }])?;
                let destination = Destination::Slot {
                    slots: self.slots.clone(),
                    number: ordinal,
                };
                Box::new(EncodeUnit::new(
                    chain.clone(),
                    items.into(),
                    heap,
                    encoding,
                    destination,
                ))
            }
        };
        Ok(ChunkJob {
            job,
            key: String::new(),
            coords: Vec::new(),
            codec: self.chain.outermost().clone(),
        })
    }

    fn lock_store(&self) -> Option<&str> {
        None
    }
}
