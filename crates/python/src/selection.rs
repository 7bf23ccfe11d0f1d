//! Basic selections: slices with positive steps, integers and Ellipsis, parsed with the slice rules of Python.

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PySlice, PySliceMethods, PyTuple};
use zarrpipe_core::error::Error;
use zarrpipe_core::select::{Axis, Piece};

use crate::error::to_python;

/// What a selection takes of one axis.
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

/// A selection over all axes of an array.
pub struct Basic(pub Vec<Taken>);

impl Basic {
    /// Parses `selection` for an array of `shape`.
    pub fn parse(selection: &Bound<'_, PyAny>, shape: &[u64]) -> PyResult<Self> {
        if let Ok(tuple) = selection.cast::<PyTuple>() {
            return Self::from_items(
                tuple.py(),
                &tuple.iter_borrowed().map(|i| i.to_owned()).collect::<Vec<_>>(),
                shape,
            );
        }
        Self::from_items(selection.py(), std::slice::from_ref(selection), shape)
    }

    fn from_items(py: Python<'_>, items: &[Bound<'_, PyAny>], shape: &[u64]) -> PyResult<Self> {
        let ellipses = items.iter().filter(|item| item.is_instance_of::<PyEllipsis>()).count();
        if ellipses > 1 {
            return Err(error(py, "a selection may hold one Ellipsis ('...')"));
        }
        let named = items.len() - ellipses;
        if named > shape.len() {
            return Err(error(
                py,
                format!(
                    "too many indices: the array has {} axes, the selection {named}",
                    shape.len()
                ),
            ));
        }
        let mut taken = Vec::with_capacity(shape.len());
        for item in items {
            if item.is_instance_of::<PyEllipsis>() {
                for &n in &shape[taken.len()..taken.len() + shape.len() - named] {
                    taken.push(whole(n));
                }
            } else {
                let axis = taken.len();
                taken.push(take(item, shape[axis], axis)?);
            }
        }
        taken.extend(shape[taken.len()..].iter().map(|&n| whole(n)));
        Ok(Basic(taken))
    }

    /// The shape of the result.
    pub fn shape(&self) -> Vec<u64> {
        let len = |taken: &Taken| match *taken {
            Taken::Index(_) => None,
            Taken::Range { len, .. } => Some(len),
        };
        self.0.iter().filter_map(len).collect()
    }

    /// The piece over a buffer with these strides, one for each axis of the result; none at all for a single value
    /// that goes everywhere.
    pub fn piece(&self, strides: &[isize]) -> Piece {
        let mut strides = strides.iter();
        let axis = |taken: &Taken| match *taken {
            Taken::Index(start) => Axis::Strided {
                start,
                step: 1,
                len: 1,
                out_stride: 0,
            },
            Taken::Range { start, step, len } => Axis::Strided {
                start,
                step,
                len,
                out_stride: strides.next().copied().unwrap_or(0),
            },
        };
        Piece {
            axes: self.0.iter().map(axis).collect(),
            out: 0,
        }
    }
}

fn whole(len: u64) -> Taken {
    Taken::Range { start: 0, step: 1, len }
}

fn take(item: &Bound<'_, PyAny>, len: u64, axis: usize) -> PyResult<Taken> {
    if let Ok(slice) = item.cast::<PySlice>() {
        let indices = slice.indices(len as isize)?;
        if indices.step < 1 {
            return Err(error(
                item.py(),
                format!("axis {axis}: the step must be positive, not {}", indices.step),
            ));
        }
        let (start, step, len) = (indices.start as u64, indices.step as u64, indices.slicelength as u64);
        return Ok(Taken::Range {
            start,
            step: if len > 1 { step } else { 1 },
            len,
        });
    }
    let index = integer(item).ok_or_else(|| {
        error(
            item.py(),
            format!(
                "axis {axis}: a basic selection is made of slices, integers and Ellipsis, not {}",
                kind(item)
            ),
        )
    })?;
    let found = if index < 0 { index + len as i128 } else { index };
    if found < 0 || found >= len as i128 {
        return Err(error(
            item.py(),
            format!("index {index} is out of bounds for axis {axis} with length {len}"),
        ));
    }
    Ok(Taken::Index(found as u64))
}

/// The value of an integer, of Python or NumPy. A bool is a mask, and an array of one axis or more a list.
fn integer(item: &Bound<'_, PyAny>) -> Option<i128> {
    if item.is_instance_of::<PyBool>() {
        return None;
    }
    if item.is_exact_instance_of::<PyInt>() {
        return item.extract::<i64>().ok().map(i128::from);
    }
    if item
        .cast::<PyUntypedArray>()
        .is_ok_and(|array| numpy::PyUntypedArrayMethods::ndim(array) > 0)
    {
        return None;
    }
    // NumPy's bool_ has no __index__; integer scalars and 0-d integer arrays do.
    item.call_method0("__index__")
        .ok()?
        .extract::<i64>()
        .ok()
        .map(i128::from)
}

fn kind(item: &Bound<'_, PyAny>) -> String {
    item.get_type()
        .name()
        .map_or_else(|_| "this".to_owned(), |name| name.to_string())
}

fn error(py: Python<'_>, message: impl Into<String>) -> PyErr {
    to_python(py, Error::selection(message.into()), None)
}
