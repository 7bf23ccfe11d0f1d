//! Chunks that are named one by one: the reads and writes of the `CodecPipeline` contract.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::engine::plan::{BatchItem, BatchPlan, BatchWay};
use zarrpipe_core::engine::write::WriteContext;
use zarrpipe_core::select::Piece;

use crate::chain::PyChain;
use crate::error::to_python;
use crate::picks::Picks;
use crate::pystore::PyStore;
use crate::run::{Held, Outcome, Run};
use crate::variable::{ArrayItems, check_dtype as check_items};

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
    let chain = chains
        .first()
        .ok_or_else(|| PyValueError::new_err("a batch without chunks"))?;
    let array = ArrayItems::target(out, &chain.0)?;
    let items: PyResult<Vec<BatchItem>> = chains
        .iter()
        .zip(keys)
        .zip(&selections)
        .map(|((chain, key), (chunk, target))| item(&chain.0, key, chunk, target, false, out, &array, &drop_axes))
        .collect();
    let items = items?;
    let missing: Arc<[AtomicBool]> = items.iter().map(|_| AtomicBool::new(false)).collect();
    let place = &store.0;
    let context = BatchPlan::noting(array.buffer(out.py()), place.access(), missing.clone());
    let plan = BatchPlan {
        items,
        way: BatchWay::Read(context),
    };
    let jobs = Held::staged(plan, vec![array.keep(out.py())]);
    Ok(Run::new(Box::new(jobs), place, Outcome::Missing(array, missing), ""))
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
    let chain = chains
        .first()
        .ok_or_else(|| PyValueError::new_err("a batch without chunks"))?;
    let array = ArrayItems::source(value, &chain.0)?;
    let items: PyResult<Vec<BatchItem>> = chains
        .iter()
        .zip(keys)
        .zip(&selections)
        .map(|((chain, key), (chunk, target, complete))| {
            item(&chain.0, key, chunk, target, *complete, value, &array, &drop_axes)
        })
        .collect();
    let context = WriteContext {
        encoding: Encoding { keep_empty },
        keeps_ranges: place.native(),
        conditional: false,
    };
    let way = BatchWay::Write {
        context,
        buffer: array.buffer(py),
        store: place.identity().to_owned(),
    };
    let plan = BatchPlan { items: items?, way };
    let jobs = Held::staged(plan, vec![array.keep(py)]);
    Ok(Run::new(Box::new(jobs), place, Outcome::Nothing, ""))
}

/// One chunk of a batch: the piece that pairs what is picked of the chunk with the places that are picked of the array.
#[allow(clippy::too_many_arguments)]
fn item(
    chain: &Arc<Chain>,
    key: String,
    chunk: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    complete: bool,
    array: &Bound<'_, PyUntypedArray>,
    items: &ArrayItems,
    drop_axes: &[usize],
) -> PyResult<BatchItem> {
    let shape = &chain.spec().shape;
    if chain.layout().variable() != items.content() {
        return Err(PyTypeError::new_err("the chunks of a batch are of several kinds"));
    }
    if let Some(content) = items.content() {
        check_items(array, content)?;
    } else if array.dtype().has_object() || array.dtype().itemsize() != chain.layout().item_nbytes {
        return Err(PyTypeError::new_err(format!(
            "items of {} do not fit the chunks",
            array.dtype()
        )));
    }
    let from = Picks::parse(chunk, shape)?;
    // A complete chunk at the border is picked up to the array's edge: that much of it counts.
    let extent = if complete { from.lens() } else { shape.clone() };
    let piece: Piece = if array.ndim() == 0 {
        // A single value goes everywhere, whatever the out selection says.
        from.spread()
    } else {
        let out_shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
        let places = Picks::parse(target, &out_shape)?.target(items.strides());
        from.paired(&places, drop_axes)
            .ok_or_else(|| PyValueError::new_err("the chunk selection and the out selection differ in shape"))?
    };
    Ok(BatchItem {
        chain: chain.clone(),
        key,
        piece,
        extent,
    })
}
