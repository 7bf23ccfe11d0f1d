//! What a selection takes of one axis: an integer, a slice (by the slice rules of Python), or an array of integers or
//! booleans.

use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PySlice, PySliceMethods, PyTuple};
use zarrpipe_core::error::Error;

use crate::error::to_python;

/// What a slice or an integer takes of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// One index; the axis is not in the result.
    Index(u64),
    Range {
        start: u64,
        step: u64,
        len: u64,
    },
}

/// What a selection picks of one axis.
#[derive(Clone, Debug)]
pub enum Pick {
    Taken(Taken),
    /// By an array: any indices.
    List(Vec<u64>),
}

impl Pick {
    /// Indices by an array; those that a slice could pick are picked as by one, which costs less.
    pub fn listed(indices: Vec<u64>) -> Self {
        let (start, step) = match indices[..] {
            [] => (0, 1),
            [start] => (start, 1),
            [start, next, ..] => (start, next.saturating_sub(start)),
        };
        if step == 0
            || !indices
                .windows(2)
                .all(|pair| pair[0].checked_add(step) == Some(pair[1]))
        {
            return Pick::List(indices);
        }
        let len = indices.len() as u64;
        Pick::Taken(Taken::Range { start, step, len })
    }

    pub fn len(&self) -> u64 {
        match self {
            Pick::Taken(Taken::Index(_)) => 1,
            Pick::Taken(Taken::Range { len, .. }) => *len,
            Pick::List(indices) => indices.len() as u64,
        }
    }
}

/// All of an axis.
pub fn whole(len: u64) -> Taken {
    Taken::Range { start: 0, step: 1, len }
}

/// What a slice or an integer takes of an axis of `len` indices; None where it is neither.
pub fn take(item: &Bound<'_, PyAny>, len: u64, axis: usize) -> PyResult<Option<Taken>> {
    if let Ok(slice) = item.cast::<PySlice>() {
        let invalid = |cause: PyErr| error(item.py(), format!("axis {axis}: {}", cause.value(item.py())));
        let indices = slice.indices(len as isize).map_err(invalid)?;
        if indices.step < 1 {
            return Err(error(
                item.py(),
                format!("axis {axis}: the step must be positive, not {}", indices.step),
            ));
        }
        let (start, step, len) = (indices.start as u64, indices.step as u64, indices.slicelength as u64);
        return Ok(Some(Taken::Range {
            start,
            step: if len > 1 { step } else { 1 },
            len,
        }));
    }
    let Some(index) = integer(item) else {
        return Ok(None);
    };
    let found = if index < 0 { index + len as i128 } else { index };
    if found < 0 || found >= len as i128 {
        return Err(out_of_bounds(item.py(), item, axis, len));
    }
    Ok(Some(Taken::Index(found as u64)))
}

/// The value of an integer, of Python or NumPy. A bool is a mask, and an array of one axis or more a list.
pub fn integer(item: &Bound<'_, PyAny>) -> Option<i128> {
    if item.is_instance_of::<PyBool>() {
        return None;
    }
    if item.is_exact_instance_of::<PyInt>() {
        // One that 64 bits do not hold is out of bounds anyway.
        let far = |_| {
            if item.lt(0).unwrap_or(false) {
                i128::MIN / 2
            } else {
                i128::MAX
            }
        };
        return Some(item.extract::<i64>().map_or_else(far, i128::from));
    }
    if item.cast::<PyUntypedArray>().is_ok_and(|array| array.ndim() > 0) {
        return None;
    }
    // NumPy's bool_ has no __index__; integer scalars and 0-d integer arrays do.
    item.call_method0("__index__")
        .ok()?
        .extract::<i64>()
        .ok()
        .map(i128::from)
}

/// The indices of an array of integers, flat, as indices of an axis of `len`: those below zero count from its end.
pub fn indices(array: &Bound<'_, PyUntypedArray>, len: u64, axis: usize) -> PyResult<Vec<u64>> {
    let py = array.py();
    let flat = array.call_method0("ravel")?;
    if array.dtype().kind() == b'u' {
        let flat = flat.call_method1("astype", ("uint64",))?;
        let flat = flat.cast::<PyArray1<u64>>()?.try_readonly()?;
        let inside = |&index: &u64| Some(index).filter(|&index| index < len).ok_or(index);
        return checked(py, flat.as_array().iter().map(inside), len, axis);
    }
    let flat = flat.call_method1("astype", ("int64",))?;
    let flat = flat.cast::<PyArray1<i64>>()?.try_readonly()?;
    let inside = |&index: &i64| {
        let found = if index < 0 {
            len.checked_sub(index.unsigned_abs())
        } else {
            Some(index as u64)
        };
        found.filter(|&found| found < len).ok_or(index)
    };
    checked(py, flat.as_array().iter().map(inside), len, axis)
}

fn checked<I: std::fmt::Display>(
    py: Python<'_>,
    indices: impl ExactSizeIterator<Item = Result<u64, I>>,
    len: u64,
    axis: usize,
) -> PyResult<Vec<u64>> {
    let mut found = Vec::with_capacity(indices.len());
    for index in indices {
        found.push(index.map_err(|index| out_of_bounds(py, index, axis, len))?);
    }
    Ok(found)
}

/// Where a boolean array is true: an array of indices for each of its axes.
pub fn places_of_true<'py>(mask: &Bound<'py, PyUntypedArray>) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
    let places = mask.call_method0("nonzero")?;
    places
        .cast::<PyTuple>()?
        .iter()
        .map(|axis| Ok(axis.cast_into::<PyUntypedArray>()?))
        .collect()
}

/// What kind of array may be an index.
pub fn refuse_dtype(array: &Bound<'_, PyUntypedArray>) -> PyErr {
    error(
        array.py(),
        format!("an index array holds integers or booleans, not {}", array.dtype()),
    )
}

pub fn kind(item: &Bound<'_, PyAny>) -> String {
    item.get_type()
        .name()
        .map_or_else(|_| "this".to_owned(), |name| name.to_string())
}

pub fn error(py: Python<'_>, message: impl Into<String>) -> PyErr {
    to_python(py, Error::selection(message.into()), None)
}

fn out_of_bounds(py: Python<'_>, index: impl std::fmt::Display, axis: usize, len: u64) -> PyErr {
    error(
        py,
        format!("index {index} is out of bounds for axis {axis} with length {len}"),
    )
}

pub fn too_many(py: Python<'_>, shape: &[u64], named: usize) -> PyErr {
    error(
        py,
        format!(
            "too many indices: the array has {} axes, the selection {named}",
            shape.len()
        ),
    )
}
