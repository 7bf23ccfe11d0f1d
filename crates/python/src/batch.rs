//! Chunks that are named one by one: the reads and writes of the `CodecPipeline` contract.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::engine::plan::{BatchItem, BatchPlan, BatchWay};
use zarrpipe_core::engine::write::WriteContext;
use zarrpipe_core::error::Error;
use zarrpipe_core::select::{Axis, Piece};

use crate::buffer;
use crate::chain::PyChain;
use crate::error::to_python;
use crate::pystore::PyStore;
use crate::run::{Held, Outcome, Run};
use crate::selection::{Basic, Taken};

/// Chunks named one by one, as (chunk selection, out selection); the result is a list of bool: was it missing.
#[pyfunction]
pub fn batch_read(
    chains: Vec<PyRef<'_, PyChain>>,
    keys: Vec<String>,
    selections: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
    store: &PyStore,
    out: &Bound<'_, PyUntypedArray>,
    drop_axes: Vec<usize>,
) -> PyResult<Run> {
    let items: PyResult<Vec<BatchItem>> = chains
        .iter()
        .zip(keys)
        .zip(&selections)
        .map(|((chain, key), (chunk, target))| item(&chain.0, key, chunk, target, false, out, &drop_axes))
        .collect();
    let items = items?;
    let missing: Arc<[AtomicBool]> = items.iter().map(|_| AtomicBool::new(false)).collect();
    let place = &store.0;
    let context = BatchPlan::noting(buffer::target(out), place.merge_gap(), !place.native(), missing.clone());
    let jobs = Held {
        jobs: BatchPlan {
            items,
            way: BatchWay::Read(context),
        },
        keep: vec![out.clone().into_any().unbind()],
    };
    Ok(Run::new(Box::new(jobs), place, Outcome::Missing(missing), ""))
}

/// As `batch_read`, with whether the chunk is complete; a value of shape () goes everywhere.
#[pyfunction]
pub fn batch_write(
    chains: Vec<PyRef<'_, PyChain>>,
    keys: Vec<String>,
    selections: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>, bool)>,
    store: &PyStore,
    value: &Bound<'_, PyUntypedArray>,
    drop_axes: Vec<usize>,
    keep_empty: bool,
) -> PyResult<Run> {
    let py = value.py();
    let place = &store.0;
    place.check_writable().map_err(|error| to_python(py, error, None))?;
    let items: PyResult<Vec<BatchItem>> = chains
        .iter()
        .zip(keys)
        .zip(&selections)
        .map(|((chain, key), (chunk, target, complete))| {
            item(&chain.0, key, chunk, target, *complete, value, &drop_axes)
        })
        .collect();
    let context = WriteContext {
        buffer: buffer::target(value),
        encoding: Encoding { keep_empty },
        keeps_ranges: place.native(),
    };
    let way = BatchWay::Write {
        context,
        store: place.identity().to_owned(),
    };
    let jobs = Held {
        jobs: BatchPlan { items: items?, way },
        keep: vec![value.clone().into_any().unbind()],
    };
    Ok(Run::new(Box::new(jobs), place, Outcome::Nothing, ""))
}

fn item(
    chain: &Arc<Chain>,
    key: String,
    chunk: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    complete: bool,
    array: &Bound<'_, PyUntypedArray>,
    drop_axes: &[usize],
) -> PyResult<BatchItem> {
    let py = chunk.py();
    if !drop_axes.is_empty() {
        return Err(not_basic(py));
    }
    let shape = &chain.spec().shape;
    let from = Basic::parse(chunk, shape)?;
    // A complete chunk at the border is selected up to the array's edge: that much of it counts.
    let extent = match complete {
        true => from.0.iter().map(taken_len).collect(),
        false => shape.clone(),
    };
    // A single value goes everywhere, whatever the out selection says.
    let piece = if array.ndim() == 0 {
        from.piece(&[])
    } else {
        aligned(py, &from, target, array)?
    };
    Ok(BatchItem {
        chain: chain.clone(),
        key,
        piece,
        extent,
    })
}

fn taken_len(taken: &Taken) -> u64 {
    match *taken {
        Taken::Index(_) => 1,
        Taken::Range { len, .. } => len,
    }
}

/// The piece that pairs what is taken of a chunk with the places of an array that the out selection names.
fn aligned(
    py: Python<'_>,
    from: &Basic,
    target: &Bound<'_, PyAny>,
    array: &Bound<'_, PyUntypedArray>,
) -> PyResult<Piece> {
    let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
    let to = if target.cast::<PyTuple>().is_ok_and(|tuple| tuple.is_empty()) && shape.is_empty() {
        Basic(Vec::new())
    } else {
        Basic::parse(target, &shape)?
    };
    let mut out = 0isize;
    let mut places = Vec::new();
    for (taken, &stride) in to.0.iter().zip(array.strides()) {
        match *taken {
            Taken::Index(i) => out += i as isize * stride,
            Taken::Range { start, step, len } => {
                out += start as isize * stride;
                places.push((len, step as isize * stride));
            }
        }
    }
    let mut places = places.into_iter();
    let mut axes = Vec::with_capacity(from.0.len());
    for taken in &from.0 {
        axes.push(match *taken {
            Taken::Index(start) => Axis::Strided {
                start,
                step: 1,
                len: 1,
                out_stride: 0,
            },
            Taken::Range { start, step, len } => match places.next() {
                Some((n, out_stride)) if n == len => Axis::Strided {
                    start,
                    step,
                    len,
                    out_stride,
                },
                _ => {
                    return Err(PyValueError::new_err(
                        "the chunk selection and the out selection differ in shape",
                    ));
                }
            },
        });
    }
    if places.any(|(n, _)| n != 1) {
        return Err(not_basic(py));
    }
    Ok(Piece { axes, out })
}

fn not_basic(py: Python<'_>) -> PyErr {
    to_python(py, Error::selection("not a basic selection"), None)
}
