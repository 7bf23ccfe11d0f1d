//! Stores: local files by the core's own store, Python stores by an adapter, or by the event loop of each call.

use std::any::Any;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyList;
use zarrpipe_core::engine::indexes::Indexes;
use zarrpipe_core::engine::locks::Locking;
use zarrpipe_core::error::{Error, Kind, Result};
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::store::file::{FileStore, Fsync};
use zarrpipe_core::store::{Access, ByteRange, Found, Handle, KeyLocks, Locked, Part, Store, Version};

use crate::buffer::{self, Owned};
use crate::error::{foreign, to_python};

static CONFLICT_RETRIES: AtomicU32 = AtomicU32::new(30);

/// How often a conditional write that was overtaken is made anew (setting `conflict_retries`).
pub fn set_conflict_retries(retries: u32) {
    CONFLICT_RETRIES.store(retries, Ordering::Relaxed);
}

/// Where an engine's keys lie.
#[pyclass(frozen, module = "zarrpipe._core", name = "Store")]
pub struct PyStore(pub Arc<Place>);

pub enum Place {
    /// Answers in the worker.
    Blocking {
        store: Arc<dyn Store>,
        native: bool,
        read_only: bool,
    },
    /// Every request goes to the event loop.
    Loop {
        identity: String,
        access: Access,
        indexes: Arc<Indexes>,
        read_only: bool,
    },
}

impl Place {
    pub fn identity(&self) -> &str {
        match self {
            Place::Blocking { store, .. } => store.identity(),
            Place::Loop { identity, .. } => identity,
        }
    }

    pub fn access(&self) -> Access {
        match self {
            Place::Blocking {
                store, native: true, ..
            } => Access::files(store.merge_gap()),
            // A call into Python costs something, and moves no more bytes than it must.
            Place::Blocking { store, .. } => Access {
                whole_nbytes: u64::MAX,
                ..Access::files(store.merge_gap())
            },
            Place::Loop { access, .. } => *access,
        }
    }

    /// Whether the keys are local files.
    pub fn native(&self) -> bool {
        matches!(self, Place::Blocking { native: true, .. })
    }

    fn key_locks(&self, path: &str) -> Result<Arc<dyn KeyLocks>> {
        let locks = match self {
            Place::Blocking { store, .. } => store.key_locks(path),
            Place::Loop { .. } => None,
        };
        locks.ok_or_else(|| {
            Error::new(
                Kind::Config,
                "locking=\"file\" is for local files (LocalStore); object stores have locking=\"conditional\"",
            )
        })
    }

    /// What keeps writers of the array at `path` in other processes apart.
    pub fn locking(&self, name: &str, path: &str) -> Result<Locking> {
        match (name, self) {
            ("none", _) => Ok(Locking::None),
            ("file", _) => self.key_locks(path).map(Locking::Keys),
            ("conditional", Place::Loop { .. }) => Ok(Locking::Conditional {
                retries: CONFLICT_RETRIES.load(Ordering::Relaxed),
            }),
            ("conditional", Place::Blocking { .. }) => Err(Error::new(
                Kind::Unsupported,
                "locking=\"conditional\" needs a store that tells versions, such as ObjectStore; local files have \
                 locking=\"file\"",
            )),
            _ => Err(Error::new(Kind::Config, format!("there is no locking {name:?}"))),
        }
    }

    pub fn check_writable(&self) -> Result<()> {
        match self {
            Place::Blocking { read_only: true, .. } | Place::Loop { read_only: true, .. } => {
                Err(Error::read_only("the store is read-only"))
            }
            _ => Ok(()),
        }
    }
}

#[pymethods]
impl PyStore {
    #[staticmethod]
    #[pyo3(signature = (root, *, read_only = false, fsync = "none"))]
    fn local(py: Python<'_>, root: PathBuf, read_only: bool, fsync: &str) -> PyResult<Self> {
        let fsync = match fsync {
            "none" => Fsync::None,
            "data" => Fsync::Data,
            "full" => Fsync::Full,
            _ => {
                let error = Error::new(
                    Kind::Config,
                    format!("fsync is \"none\", \"data\" or \"full\", not {fsync:?}"),
                );
                return Err(to_python(py, error, None));
            }
        };
        let store = FileStore::new(root, fsync, read_only).map_err(|error| to_python(py, error, None))?;
        Ok(PyStore(Arc::new(Place::Blocking {
            store: Arc::new(store),
            native: true,
            read_only,
        })))
    }

    #[staticmethod]
    #[pyo3(signature = (adapter, identity, *, read_only = false, merge_gap = 65536, merge_nbytes = 16 << 20,
                        whole_nbytes = 256 << 20, index_nbytes = 32 << 20))]
    fn python(
        adapter: Option<Py<PyAny>>,
        identity: String,
        read_only: bool,
        merge_gap: u64,
        merge_nbytes: u64,
        whole_nbytes: u64,
        index_nbytes: usize,
    ) -> Self {
        PyStore(Arc::new(match adapter {
            Some(adapter) => {
                let store = Arc::new(AdaptedStore {
                    adapter,
                    identity,
                    merge_gap,
                });
                Place::Blocking {
                    store,
                    native: false,
                    read_only,
                }
            }
            None => Place::Loop {
                identity,
                access: Access {
                    merge_gap,
                    request_nbytes: merge_nbytes,
                    whole_nbytes,
                    slow: true,
                },
                indexes: Arc::new(Indexes::new(index_nbytes)),
                read_only,
            },
        }))
    }

    /// Takes the lock between processes of a key of the array or group at `path`; None where another writer has it.
    fn try_lock(&self, py: Python<'_>, path: &str, key: &str) -> PyResult<Option<Lock>> {
        let locked = py.detach(|| self.0.key_locks(path)?.try_lock(key));
        let locked = locked.map_err(|error| to_python(py, error.at(key, &[]), None))?;
        Ok(locked.map(|locked| Lock(Mutex::new(Some(locked)))))
    }

    #[getter]
    fn needs_loop(&self) -> bool {
        matches!(*self.0, Place::Loop { .. })
    }
}

/// A lock between processes, held until it is released.
#[pyclass(frozen, module = "zarrpipe._core")]
pub struct Lock(Mutex<Option<Locked>>);

#[pymethods]
impl Lock {
    fn release(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A range as Python is given it.
pub fn range_to_python<'py>(py: Python<'py>, range: &ByteRange) -> PyResult<Bound<'py, PyAny>> {
    match *range {
        ByteRange::Whole => Ok(py.None().into_bound(py)),
        ByteRange::Range { offset, nbytes } => Ok((offset, offset + nbytes).into_pyobject(py)?.into_any()),
        ByteRange::Suffix { nbytes } => Ok((py.None(), nbytes).into_pyobject(py)?.into_any()),
    }
}

pub fn ranges_to_python<'py>(py: Python<'py>, ranges: &[ByteRange]) -> PyResult<Bound<'py, PyList>> {
    let ranges: PyResult<Vec<_>> = ranges.iter().map(|range| range_to_python(py, range)).collect();
    PyList::new(py, ranges?)
}

/// A version that a store has told, as its Python object.
pub struct PyVersion(Option<Py<PyAny>>);

impl PyVersion {
    fn object(&self) -> Option<&Py<PyAny>> {
        self.0.as_ref()
    }
}

impl Version for PyVersion {
    fn same_as(&self, other: &dyn Version) -> bool {
        let (Some(one), Some(other)) = (self.object(), other.as_any().downcast_ref().and_then(PyVersion::object))
        else {
            return false;
        };
        Python::attach(|py| one.bind(py).eq(other).unwrap_or(false))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for PyVersion {
    fn drop(&mut self) {
        // Attached: a reference that is dropped without the interpreter goes through a lock that a fork may leave taken.
        let object = self.0.take();
        let _ = Python::try_attach(|_| drop(object));
    }
}

/// A version as Python is given it back.
pub fn version_to_python<'py>(py: Python<'py>, version: Option<&Arc<dyn Version>>) -> Bound<'py, PyAny> {
    version
        .and_then(|version| version.as_any().downcast_ref::<PyVersion>())
        .and_then(PyVersion::object)
        .map_or_else(|| py.None().into_bound(py), |object| object.bind(py).clone())
}

/// What was found, and its version where the store told it.
pub type VersionedFound = (Found, Option<Arc<dyn Version>>);

/// What a loop answers: (a bytes-like for each range, the version or None, the size of the whole value or None).
pub fn versioned_answer_from_python(answer: &Bound<'_, PyAny>, ranges: &[ByteRange]) -> Result<Option<VersionedFound>> {
    if answer.is_none() {
        return Ok(None);
    }
    let (parts, version, value_nbytes): (Bound<'_, PyAny>, Option<Py<PyAny>>, Option<u64>) =
        answer.extract().map_err(foreign)?;
    let version = version.map(|object| Arc::new(PyVersion(Some(object))) as Arc<dyn Version>);
    let found = answer_from_python(&parts, ranges)?.map(|found| Found { value_nbytes, ..found });
    Ok(found.map(|found| (found, version)))
}

/// The bytes of each range, checked to be as many as were asked for; None where the key has no value.
pub fn answer_from_python(answer: &Bound<'_, PyAny>, ranges: &[ByteRange]) -> Result<Option<Found>> {
    if answer.is_none() {
        return Ok(None);
    }
    let mut answers = Vec::with_capacity(ranges.len());
    for item in answer.try_iter().map_err(foreign)? {
        let item = item.map_err(foreign)?;
        if item.is_none() {
            return Ok(None);
        }
        answers.push(buffer::bytes(&item).map_err(foreign)?);
    }
    if answers.len() != ranges.len() {
        return Err(Error::store(format!(
            "the store gave {} answers to {} ranges",
            answers.len(),
            ranges.len()
        )));
    }
    for (bytes, range) in answers.iter().zip(ranges) {
        let (ByteRange::Range { nbytes, .. } | ByteRange::Suffix { nbytes }) = *range else {
            if bytes.is_empty() {
                return Err(Error::truncated("the value is empty"));
            }
            continue;
        };
        if bytes.len() as u64 != nbytes {
            return Err(Error::truncated(format!(
                "the store gave {} bytes where {nbytes} were asked for",
                bytes.len()
            )));
        }
    }
    Ok(Some(Found {
        parts: answers,
        value_nbytes: None,
    }))
}

fn no_ranges() -> Error {
    Error::internal("a Python store was asked to keep ranges of a value")
}

/// A Python store that answers at once, by the adapter of `zarrpipe.stores.adapter`.
struct AdaptedStore {
    adapter: Py<PyAny>,
    identity: String,
    merge_gap: u64,
}

impl AdaptedStore {
    fn put_bytes(&self, key: &str, bytes: Bytes<'static>) -> Result<()> {
        Python::attach(|py| {
            let data = Bound::new(py, Owned::new(bytes))?;
            self.adapter.bind(py).call_method1("set", (key, data)).map(|_| ())
        })
        .map_err(foreign)
    }
}

impl Store for AdaptedStore {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn read(&self, key: &str, ranges: &[ByteRange], _: &mut Option<Handle>) -> Result<Option<Found>> {
        Python::attach(|py| {
            let arguments = (key, ranges_to_python(py, ranges).map_err(foreign)?);
            let answer = self.adapter.bind(py).call_method1("get", arguments).map_err(foreign)?;
            answer_from_python(&answer, ranges)
        })
    }

    fn put(&self, key: &str, parts: &[Part], _: Option<&Handle>) -> Result<()> {
        // The one copy of a written value: Python is given an object that owns it.
        let mut whole = zarrpipe_core::scratch::take(0)?;
        for part in parts {
            match part {
                Part::New(bytes) => whole.append(bytes)?,
                Part::Old { .. } => return Err(no_ranges()),
            }
        }
        self.put_bytes(key, whole.into())
    }

    fn delete(&self, key: &str) -> Result<()> {
        Python::attach(|py| self.adapter.bind(py).call_method1("delete", (key,)).map(|_| ())).map_err(foreign)
    }

    fn merge_gap(&self) -> u64 {
        self.merge_gap
    }
}
