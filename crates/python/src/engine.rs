//! `Engine`: one array's chain, grid and store, and the calls on it.

use std::sync::Arc;

use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::cuts::Cuts;
use zarrpipe_core::engine::job::WORK_NBYTES;
use zarrpipe_core::engine::plan::{ArrayPlan, PutPlan, ReadPlan, ShapedChains, WritePlan};
use zarrpipe_core::error::Result;
use zarrpipe_core::grid::Grid;
use zarrpipe_core::keys::{KeyKind, Keys};
use zarrpipe_core::layers::LayerSplit;
use zarrpipe_core::select::Split;
use zarrpipe_core::store::Store;

use crate::buffer;
use crate::chain::PyChain;
use crate::error::{foreign, to_python, type_error};
use crate::pystore::{Place, PyStore};
use crate::run::{Held, Outcome, Run, run_blocking};
use crate::selection::{Kind, Selection};
use crate::variable::{ArrayItems, check_dtype as check_items};

/// Chunks from which on a write makes their folders first.
const FOLDERS_FROM: u64 = 16;

/// How an axis is cut: chunks of one length, or runs of (length, count).
#[derive(FromPyObject)]
enum AxisCuts {
    Even(u64),
    Runs(Vec<(u64, u64)>),
}

fn make_grid(shape: Vec<u64>, axes: Vec<AxisCuts>) -> Result<Grid> {
    let even = |cuts: &AxisCuts| match cuts {
        AxisCuts::Even(length) => Some(*length),
        AxisCuts::Runs(_) => None,
    };
    if let Some(chunk_shape) = axes.iter().map(even).collect() {
        return Grid::regular(shape, chunk_shape);
    }
    let cuts = |axis: &AxisCuts| match axis {
        AxisCuts::Even(length) => Cuts::even(*length),
        AxisCuts::Runs(runs) => Cuts::runs(runs),
    };
    Grid::new(shape, axes.iter().map(cuts).collect::<Result<_>>()?)
}

/// The chain of all chunks, or what compiles one for each shape, with that of the smallest.
fn chains(chain: &Bound<'_, PyAny>, grid: &Grid) -> PyResult<(Arc<Chain>, Option<ShapedChains>)> {
    if let Ok(chain) = chain.cast::<PyChain>() {
        return match grid.is_regular() {
            true => Ok((chain.get().0.clone(), None)),
            false => Err(type_error(
                "chunks of several shapes need a function that compiles their chains",
            )),
        };
    }
    let function = chain.clone().unbind();
    let compile = move |shape: &[u64]| {
        Python::attach(|py| {
            let compiled = function
                .bind(py)
                .call1((PyTuple::new(py, shape).map_err(foreign)?,))
                .map_err(foreign)?;
            let chain = compiled.cast::<PyChain>().map_err(|error| foreign(error.into()))?;
            Ok(chain.get().0.clone())
        })
    };
    let shaped = ShapedChains::new(Box::new(compile));
    let least = shaped
        .get(&grid.least_chunk_shape())
        .map_err(|error| to_python(chain.py(), error, None))?;
    Ok((least, Some(shaped)))
}

/// A selection that an engine has parsed, for it alone and for engines of arrays of the same shape.
#[pyclass(frozen, module = "zarrpipe._core", name = "Selection")]
pub struct PySelection {
    selection: Arc<Selection>,
    array_shape: Vec<u64>,
    dtype: Py<PyArrayDescr>,
}

#[pymethods]
impl PySelection {
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.selection.shape())
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.dtype.bind(py).clone()
    }

    #[getter]
    fn points(&self) -> bool {
        self.selection.is_points()
    }
}

/// A value for a selection, checked: a write that has not begun. It uses the value's memory, except for items of
/// variable length, which it has copied.
#[pyclass(frozen, module = "zarrpipe._core", name = "Assignment")]
pub struct PyAssignment(Assignment);

struct Assignment {
    /// Over the grid of the array that it is for.
    split: Arc<Split>,
    array_shape: Vec<u64>,
    value: ArrayItems,
    nbytes: u64,
}

#[pymethods]
impl PyAssignment {
    #[getter]
    fn array_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.array_shape)
    }

    #[getter]
    fn nbytes(&self) -> u64 {
        self.0.nbytes
    }
}

#[pyclass(frozen, module = "zarrpipe._core", name = "Engine")]
pub struct PyEngine {
    plan: Arc<ArrayPlan>,
    place: Arc<Place>,
    dtype: Py<PyArrayDescr>,
    path: String,
    fortran: bool,
    locking: String,
}

#[pymethods]
impl PyEngine {
    #[new]
    #[pyo3(signature = (chain, shape, chunk_shape, store, path, key_encoding, dtype, *,
                        write_empty_chunks = false, read_missing_chunks = true, order = "C", locking = "none"))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        chain: Bound<'_, PyAny>,
        shape: Vec<u64>,
        chunk_shape: Vec<AxisCuts>,
        store: &PyStore,
        path: String,
        key_encoding: (String, String),
        dtype: Py<PyArrayDescr>,
        write_empty_chunks: bool,
        read_missing_chunks: bool,
        order: &str,
        locking: &str,
    ) -> PyResult<Self> {
        if !dtype.bind(py).getattr("isnative")?.extract::<bool>()? {
            return Err(type_error("items in memory are in the host's byte order"));
        }
        let grid = make_grid(shape, chunk_shape).map_err(|error| to_python(py, error, None))?;
        let kind = match key_encoding.0.as_str() {
            "default" => KeyKind::Default,
            "v2" => KeyKind::V2,
            "n5" => KeyKind::N5,
            other => return Err(PyValueError::new_err(format!("no chunk key encoding {other:?}"))),
        };
        let separator = match key_encoding.1.as_str() {
            "/" => '/',
            "." => '.',
            other => return Err(PyValueError::new_err(format!("no separator {other:?}"))),
        };
        let (chain, shaped) = chains(&chain, &grid)?;
        if dtype.bind(py).has_object() != chain.layout().variable().is_some() {
            return Err(type_error("only items of variable length are objects in memory"));
        }
        let plan = ArrayPlan {
            chain,
            shaped,
            grid,
            keys: Keys::new(&path, kind, separator),
            encoding: Encoding {
                keep_empty: write_empty_chunks,
            },
            missing_is_fill: read_missing_chunks,
            locking: store.0.locking(locking, &path).unwrap_or_default(),
        };
        Ok(PyEngine {
            plan: Arc::new(plan),
            place: store.0.clone(),
            dtype,
            path,
            fortran: order == "F",
            locking: locking.to_owned(),
        })
    }

    #[getter]
    fn needs_loop(&self) -> bool {
        self.plan.chain.suspends() || matches!(*self.place, Place::Loop { .. })
    }

    fn key(&self, coords: Vec<u64>) -> String {
        self.plan.keys.key(&coords)
    }

    #[pyo3(signature = (selection, kind = Kind::Any, fields = None, *, writing = false),
           text_signature = "($self, selection, kind='any', fields=None, *, writing=False)")]
    fn select(
        &self,
        selection: &Bound<'_, PyAny>,
        kind: Kind,
        fields: Option<&Bound<'_, PyAny>>,
        writing: bool,
    ) -> PyResult<PySelection> {
        let own = self.dtype.bind(selection.py());
        let parsed = Selection::parse(selection, kind, fields, &self.plan.grid, own, writing)?;
        Ok(PySelection {
            dtype: parsed.dtype(own).clone().unbind(),
            selection: Arc::new(parsed),
            array_shape: self.plan.grid.shape().to_vec(),
        })
    }

    #[pyo3(signature = (selection, out = None))]
    fn read<'py>(
        &self,
        selection: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyUntypedArray>>,
    ) -> PyResult<Bound<'py, PyUntypedArray>> {
        let py = selection.py();
        let (jobs, out, here) = self.read_jobs(selection, out)?;
        run_blocking(py, Box::new(jobs), &self.place, here, &self.path)?;
        out.finish(py)
    }

    fn write(&self, selection: &Bound<'_, PyAny>, value: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
        let py = selection.py();
        let (jobs, here) = self.write_jobs(py, &[&self.assigned(selection, value)?])?;
        run_blocking(py, Box::new(jobs), &self.place, here, &self.path)
    }

    fn assign(&self, selection: &Bound<'_, PyAny>, value: &Bound<'_, PyUntypedArray>) -> PyResult<PyAssignment> {
        self.assigned(selection, value).map(PyAssignment)
    }

    fn write_all(&self, py: Python<'_>, assignments: Vec<Bound<'_, PyAssignment>>) -> PyResult<()> {
        let (jobs, here) = self.write_jobs(py, &inside(&assignments))?;
        run_blocking(py, Box::new(jobs), &self.place, here, &self.path)
    }

    fn start_write_all(&self, py: Python<'_>, assignments: Vec<Bound<'_, PyAssignment>>) -> PyResult<Run> {
        let (jobs, _) = self.write_jobs(py, &inside(&assignments))?;
        Ok(Run::new(Box::new(jobs), &self.place, Outcome::Nothing, &self.path))
    }

    fn start_put(&self, py: Python<'_>, coords: Vec<u64>, data: Option<&Bound<'_, PyAny>>) -> PyResult<Run> {
        self.check_writable(py)?;
        let data = data.map(buffer::bytes).transpose()?;
        let jobs = Held::new(
            PutPlan::new(self.plan.clone(), coords, data, self.place.identity()),
            Vec::new(),
        );
        Ok(Run::new(Box::new(jobs), &self.place, Outcome::Nothing, &self.path))
    }

    #[pyo3(signature = (selection, out = None))]
    fn start_read(&self, selection: &Bound<'_, PyAny>, out: Option<Bound<'_, PyUntypedArray>>) -> PyResult<Run> {
        let (jobs, out, _) = self.read_jobs(selection, out)?;
        Ok(Run::new(Box::new(jobs), &self.place, Outcome::Array(out), &self.path))
    }

    fn start_write(&self, selection: &Bound<'_, PyAny>, value: &Bound<'_, PyUntypedArray>) -> PyResult<Run> {
        let (jobs, _) = self.write_jobs(selection.py(), &[&self.assigned(selection, value)?])?;
        Ok(Run::new(Box::new(jobs), &self.place, Outcome::Nothing, &self.path))
    }
}

impl PyEngine {
    /// Refuses writes to a store that forbids them, or that cannot keep writers apart as the array asks for.
    fn check_writable(&self, py: Python<'_>) -> PyResult<()> {
        let place = &self.place;
        let checked = place
            .check_writable()
            .and_then(|()| place.locking(&self.locking, &self.path).map(drop));
        checked.map_err(|error| to_python(py, error, Some(&self.path)))
    }

    fn prepare(&self, py: Python<'_>, split: &Split) -> PyResult<()> {
        let prepared = self.plan.prepare(split);
        prepared.map_err(|error| to_python(py, error, Some(&self.path)))
    }

    /// A selection, parsed here or before; one that was not is read as brackets are.
    fn parsed(&self, selection: &Bound<'_, PyAny>, writing: bool) -> PyResult<Arc<Selection>> {
        if let Ok(parsed) = selection.cast::<PySelection>() {
            let parsed = parsed.get();
            if parsed.array_shape != self.plan.grid.shape() {
                return Err(PyValueError::new_err("the selection is of an array of another shape"));
            }
            return Ok(parsed.selection.clone());
        }
        let dtype = self.dtype.bind(selection.py());
        Selection::parse(selection, Kind::Any, None, &self.plan.grid, dtype, writing).map(Arc::new)
    }

    /// The jobs of a read, the array that they fill, and whether they are cheap enough for the calling thread.
    fn read_jobs<'py>(
        &self,
        selection: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyUntypedArray>>,
    ) -> PyResult<(Held<ReadPlan>, ArrayItems, bool)> {
        let py = selection.py();
        let selection = self.parsed(selection, false)?;
        let (shape, dtype) = (selection.shape(), selection.dtype(self.dtype.bind(py)));
        let out = match out {
            Some(out) => {
                buffer::check_out(&out, dtype, &shape)?;
                out
            }
            None => buffer::empty(py, dtype, &shape, self.fortran)?,
        };
        let out = ArrayItems::target(&out, &self.plan.chain)?;
        let (array, place) = (&self.plan, &self.place);
        let (strides, buffer) = (out.strides(), out.buffer(py));
        let access = place.access();
        let (plan, piece) = unlocked(py, &selection, || {
            let piece = selection.piece(strides);
            let plan = ReadPlan::new(array.clone(), &piece, buffer, access);
            (plan, piece)
        });
        self.prepare(py, plan.split())?;
        let here = self.plan.decoded_nbytes(plan.split(), &piece) < WORK_NBYTES;
        Ok((Held::staged(plan, vec![out.keep(py)]), out, here))
    }

    fn assigned(&self, selection: &Bound<'_, PyAny>, value: &Bound<'_, PyUntypedArray>) -> PyResult<Assignment> {
        let py = selection.py();
        self.check_writable(py)?;
        let selection = self.parsed(selection, true)?;
        match self.plan.chain.layout().variable() {
            Some(content) => check_items(value, content)?,
            None => buffer::check_dtype(value, selection.dtype(self.dtype.bind(py)), "the value")?,
        }
        if value.ndim() > 0 {
            buffer::check_shape(value, &selection.shape(), "the value")?;
        }
        let value = ArrayItems::source(value, &self.plan.chain)?;
        let (grid, strides) = (&self.plan.grid, value.strides());
        let (split, listed) = unlocked(py, &selection, || {
            let piece = selection.piece(strides);
            (grid.split(&piece), piece.listed_len())
        });
        let nbytes = value.nbytes(py) + LISTED_NBYTES * listed + TOUCH_NBYTES * split.len();
        Ok(Assignment {
            split: Arc::new(split),
            array_shape: grid.shape().to_vec(),
            value,
            nbytes,
        })
    }

    /// The jobs that write assignments, of which later ones win, and whether they are cheap enough for the calling
    /// thread.
    fn write_jobs(&self, py: Python<'_>, assignments: &[&Assignment]) -> PyResult<(Held<WritePlan>, bool)> {
        if assignments.iter().any(|one| one.array_shape != self.plan.grid.shape()) {
            return Err(PyValueError::new_err("the assignment is to an array of another shape"));
        }
        let splits = assignments.iter().map(|one| (one.split.clone(), one.value.buffer(py)));
        let splits: Vec<_> = splits.collect();
        let split = match splits.len() {
            1 => LayerSplit::new(splits),
            _ => py.detach(|| LayerSplit::new(splits)),
        };
        let place = &self.place;
        let plan = WritePlan::new(self.plan.clone(), split, place.native(), place.identity());
        for split in plan.split().splits() {
            self.prepare(py, split)?;
        }
        if let (Place::Blocking { store, .. }, true) = (&**place, plan.split().len() >= FOLDERS_FROM) {
            let store: &Arc<dyn Store> = store;
            let prepared = py.detach(|| store.prepare(&mut plan.folders().into_iter()));
            prepared.map_err(|error| to_python(py, error, Some(&self.path)))?;
        }
        let here = plan.chunk_nbytes() < WORK_NBYTES;
        let keep = assignments.iter().map(|one| one.value.keep(py)).collect();
        Ok((Held::staged(plan, keep), here))
    }
}

/// What a touched chunk costs until it is written, beside the items, and what a listed index does.
const TOUCH_NBYTES: u64 = 64;
const LISTED_NBYTES: u64 = 32;

fn inside<'a>(assignments: &'a [Bound<'_, PyAssignment>]) -> Vec<&'a Assignment> {
    assignments.iter().map(|one| &one.get().0).collect()
}

/// Plans a call, for which other threads of Python wait only if it is done in no time.
fn unlocked<T: Send>(py: Python<'_>, selection: &Selection, plan: impl FnOnce() -> T + Send) -> T {
    if selection.is_long() { py.detach(plan) } else { plan() }
}
