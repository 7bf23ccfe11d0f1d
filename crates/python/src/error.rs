//! Errors across the border: one `match` from the core's kinds to the classes of `zarrpipe.errors`.

use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use zarrpipe_core::error::{Error, Kind};

/// What a Python object raised, on its way through the core.
pub fn foreign(error: PyErr) -> Error {
    let is_conflict = Python::attach(|py| {
        let conflict = class(py, "ConflictError");
        conflict.is_ok_and(|conflict| error.value(py).is_instance(&conflict).unwrap_or(false))
    });
    match is_conflict {
        true => Error::foreign_conflict(Box::new(error)),
        false => Error::foreign(Box::new(error)),
    }
}

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// An exception class of `zarrpipe.errors`.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let module = ERRORS.get_or_try_init(py, || Ok::<_, PyErr>(py.import("zarrpipe.errors")?.unbind()))?;
    module.bind(py).getattr(name)
}

/// The exception for an error of the core; `array` is the path of the array that was read or written.
pub fn to_python(py: Python<'_>, mut error: Error, array: Option<&str>) -> PyErr {
    if let Some(source) = error.take_foreign() {
        return match source.downcast::<PyErr>() {
            Ok(raised) => with_place(py, *raised, &error, array),
            Err(_) => PyRuntimeError::new_err("an error of unknown origin"),
        };
    }
    let made = match error.kind() {
        Kind::Metadata => in_document(py, "MetadataError", &error),
        Kind::Unsupported => in_document(py, "UnsupportedError", &error),
        Kind::Selection => simple(py, "SelectionError", &error),
        Kind::Conflict => simple(py, "ConflictError", &error),
        Kind::Config => simple(py, "ConfigError", &error),
        Kind::Codec => located(py, "CodecError", &error, array),
        Kind::Checksum => located(py, "ChecksumError", &error, array),
        Kind::Truncated => located(py, "TruncatedError", &error, array),
        Kind::Size => located(py, "SizeError", &error, array),
        Kind::ShardIndex => located(py, "ShardIndexError", &error, array),
        Kind::Limit => located(py, "LimitError", &error, array),
        Kind::Store => stored(py, "StoreError", &error),
        Kind::NotFound => stored(py, "NodeNotFoundError", &error),
        Kind::MissingChunk => stored(py, "MissingChunkError", &error),
        Kind::ReadOnly => stored(py, "ReadOnlyError", &error),
        Kind::Value => Ok(PyValueError::new_err(error.detail().to_owned())),
        Kind::Memory => Ok(PyMemoryError::new_err(error.detail().to_owned())),
        Kind::Cancelled | Kind::Absent | Kind::Internal => Ok(PyRuntimeError::new_err(error.to_string())),
    };
    made.unwrap_or_else(|failure| failure)
}

fn simple(py: Python<'_>, name: &str, error: &Error) -> PyResult<PyErr> {
    Ok(PyErr::from_value(class(py, name)?.call1((error.to_string(),))?))
}

fn in_document(py: Python<'_>, name: &str, error: &Error) -> PyResult<PyErr> {
    let place = PyDict::new(py);
    if !error.place().is_empty() {
        place.set_item("at", error.place())?;
    }
    Ok(PyErr::from_value(
        class(py, name)?.call((error.to_string(),), Some(&place))?,
    ))
}

fn located(py: Python<'_>, name: &str, error: &Error, array: Option<&str>) -> PyResult<PyErr> {
    let place = PyDict::new(py);
    place.set_item("array", array)?;
    place.set_item("key", error.key())?;
    place.set_item("codec", error.codec())?;
    if let Some(chunk) = error.chunk() {
        place.set_item("chunk", PyTuple::new(py, chunk)?)?;
    }
    Ok(PyErr::from_value(
        class(py, name)?.call((error.detail(),), Some(&place))?,
    ))
}

fn stored(py: Python<'_>, name: &str, error: &Error) -> PyResult<PyErr> {
    let place = PyDict::new(py);
    place.set_item("key", error.key())?;
    place.set_item("errno", error.os_code())?;
    Ok(PyErr::from_value(
        class(py, name)?.call((error.detail(),), Some(&place))?,
    ))
}

/// A store's or codec's own exception keeps its class and traceback; a note says where it happened. One of our own has
/// attributes for that.
fn with_place(py: Python<'_>, raised: PyErr, error: &Error, array: Option<&str>) -> PyErr {
    // An exception that takes neither attributes nor notes is raised without.
    match class(py, "CodecError") {
        Ok(ours) if raised.is_instance(py, &ours) => {
            let _ = fill_in(raised.value(py), error, array);
        }
        _ => {
            if let Some(note) = note(error, array) {
                let _ = raised.value(py).call_method1("add_note", (note,));
            }
        }
    }
    raised
}

/// Sets what of the place the exception does not know yet.
fn fill_in(raised: &Bound<'_, PyAny>, error: &Error, array: Option<&str>) -> PyResult<()> {
    let py = raised.py();
    let set = |name: &str, value: Bound<'_, PyAny>| match raised.getattr(name)?.is_none() {
        true => raised.setattr(name, value),
        false => Ok(()),
    };
    set("array", array.into_pyobject(py)?.into_any())?;
    set("key", error.key().into_pyobject(py)?.into_any())?;
    set("codec", error.codec().into_pyobject(py)?.into_any())?;
    match error.chunk() {
        Some(chunk) => set("chunk", PyTuple::new(py, chunk)?.into_any()),
        None => Ok(()),
    }
}

fn note(error: &Error, array: Option<&str>) -> Option<String> {
    let key = error.key()?;
    let codec = error.codec().map_or(String::new(), |codec| format!(", codec {codec}"));
    let (array, chunk) = (array.unwrap_or_default(), error.chunk().unwrap_or_default());
    Some(format!("array {array:?}, key {key}, chunk {chunk:?}{codec}"))
}

/// A value of the wrong type in a call.
pub fn type_error(message: impl Into<String>) -> PyErr {
    PyTypeError::new_err(message.into())
}
