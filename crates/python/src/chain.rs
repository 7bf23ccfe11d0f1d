//! `Chain` and `Stage`: compiled codecs as Python sees them.

use std::sync::Arc;

use numpy::PyUntypedArray;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use serde_json::Value;
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::codec::{self, ArrayBytesCodec, Expect, Stage};
use zarrpipe_core::copy::Buffer;
use zarrpipe_core::dtype::{Kind, Layout, SwapRun};
use zarrpipe_core::error::{Error, Kind as ErrorKind, Result};
use zarrpipe_core::heap::Heap;
use zarrpipe_core::limits::in_memory;
use zarrpipe_core::scratch::{self, Bytes};
use zarrpipe_core::select::Piece;
use zarrpipe_core::spec::ChunkSpec;

use crate::buffer;
use crate::error::to_python;
use crate::pycodec;
use crate::run::{BatchKind, Run};
use crate::variable::Decoded;

type PyLayout = (String, usize, Vec<(usize, usize, usize)>);

pub fn layout_from_python((kind, item_nbytes, runs): PyLayout) -> Result<Layout> {
    let kind = Kind::parse(&kind).ok_or_else(|| Error::metadata(format!("no layout of kind {kind:?}")))?;
    let run = |(offset, nbytes, count)| SwapRun { offset, nbytes, count };
    Layout::new(kind, item_nbytes, runs.into_iter().map(run).collect())
}

fn layout_to_python(layout: &Layout) -> PyLayout {
    let runs = layout
        .swap_runs
        .iter()
        .map(|run| (run.offset, run.nbytes, run.count))
        .collect();
    (layout.kind.name(), layout.item_nbytes, runs)
}

/// A spec from the tuple (shape, layout, fill value); of items of variable length the fill value is what one holds.
pub fn spec_from_python(spec: &Bound<'_, PyAny>) -> PyResult<ChunkSpec> {
    let (shape, layout, fill_value): (Vec<u64>, PyLayout, Vec<u8>) = spec.extract()?;
    make_spec(spec.py(), shape, layout, &fill_value)
}

fn make_spec(py: Python<'_>, shape: Vec<u64>, layout: PyLayout, fill_value: &[u8]) -> PyResult<ChunkSpec> {
    layout_from_python(layout)
        .and_then(|layout| match layout.variable() {
            Some(content) => ChunkSpec::variable(shape, content, fill_value),
            None => ChunkSpec::new(shape, layout, fill_value),
        })
        .map_err(|error| to_python(py, error, None))
}

fn parse(py: Python<'_>, json: &str) -> PyResult<Value> {
    let invalid = |error: serde_json::Error| to_python(py, Error::metadata(format!("codecs: {error}")), None);
    serde_json::from_str(json).map_err(invalid)
}

/// The error where a size is asked for that depends on the data.
fn varies() -> PyErr {
    PyNotImplementedError::new_err("the encoded size varies with the data")
}

#[pyclass(frozen, module = "zarrpipe._core", name = "Chain")]
pub struct PyChain(pub Arc<Chain>);

#[pymethods]
impl PyChain {
    #[new]
    fn new(
        py: Python<'_>,
        codecs: &str,
        python: Vec<Py<PyAny>>,
        layout: PyLayout,
        shape: Vec<u64>,
        fill_value: &[u8],
    ) -> PyResult<Self> {
        let Value::Array(codecs) = parse(py, codecs)? else {
            return Err(to_python(py, Error::metadata("codecs: must be a list"), None));
        };
        let spec = make_spec(py, shape, layout, fill_value)?;
        let resolve = |json: &Value, spec: &ChunkSpec| pycodec::resolve(&python, json, spec);
        let chain = Chain::compile(&codecs, spec, 0, &resolve).map_err(|error| to_python(py, error, None))?;
        Ok(PyChain(Arc::new(chain)))
    }

    #[getter]
    fn is_fixed_size(&self) -> bool {
        self.0.encoded_nbytes().is_some()
    }

    #[getter]
    fn supports_partial_decode(&self) -> bool {
        self.0.open_plain().is_some() || self.0.open_sharding().is_some()
    }

    #[getter]
    fn supports_partial_encode(&self) -> bool {
        self.0.open_sharding().is_some()
    }

    #[getter]
    fn needs_loop(&self) -> bool {
        self.0.suspends()
    }

    fn evolved(&self) -> String {
        Value::Array(self.0.to_json()).to_string()
    }

    fn encoded_size(&self, nbytes: u64) -> PyResult<u64> {
        self.0.encoded_size(nbytes).ok_or_else(varies)
    }

    fn decode<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
        let data = buffer::bytes(data)?;
        let spec = self.0.spec();
        in_memory(spec.nbytes()).map_err(|error| to_python(py, error, None))?;
        let items = Decoded::new(py, &self.0)?;
        let target = items.buffer(py);
        let chain = &self.0;
        let whole = Piece::whole(&spec.shape, &spec.strides());
        py.detach(|| chain.decode_piece(data, whole, target))
            .map_err(|error| to_python(py, error, None))?;
        items.finish(py)
    }

    #[pyo3(signature = (items, keep_empty = false))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        items: &Bound<'py, PyAny>,
        keep_empty: bool,
    ) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
        let items = buffer::bytes(items)?;
        let chain = &self.0;
        let encoded = py.detach(|| chain.encode(&items, Encoding { keep_empty }));
        match encoded.map_err(|error| to_python(py, error, None))? {
            Some(bytes) => buffer::array_of_bytes(py, &bytes).map(Some),
            None => Ok(None),
        }
    }

    fn start_decode(&self, py: Python<'_>, batch: Vec<Option<Bound<'_, PyAny>>>) -> PyResult<Run> {
        Run::batch(py, self.0.clone(), batch, BatchKind::Decode)
    }

    #[pyo3(signature = (batch, keep_empty = false))]
    fn start_encode(&self, py: Python<'_>, batch: Vec<Option<Bound<'_, PyAny>>>, keep_empty: bool) -> PyResult<Run> {
        Run::batch(py, self.0.clone(), batch, BatchKind::Encode(Encoding { keep_empty }))
    }
}

/// One built-in codec, compiled against the spec at its place in a chain.
#[pyclass(frozen, module = "zarrpipe._core", name = "Stage")]
pub struct PyStage {
    stage: Stage,
    spec: ChunkSpec,
}

#[pymethods]
impl PyStage {
    #[new]
    fn new(
        py: Python<'_>,
        codec: &str,
        python: Vec<Py<PyAny>>,
        layout: PyLayout,
        shape: Vec<u64>,
        fill_value: &[u8],
    ) -> PyResult<Self> {
        let spec = make_spec(py, shape, layout, fill_value)?;
        let resolve = |json: &Value, spec: &ChunkSpec| pycodec::resolve(&python, json, spec);
        let json = parse(py, codec)?;
        let stage = codec::compile(&json, &spec, 0, &resolve).map_err(|error| to_python(py, error, None))?;
        Ok(PyStage { stage, spec })
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.stage.kind()
    }

    #[getter]
    fn is_fixed_size(&self) -> bool {
        match &self.stage {
            Stage::ArrayArray(_) => true,
            Stage::ArrayBytes(codec) => codec.encoded_nbytes().is_some(),
            Stage::BytesBytes(codec) => codec.encoded_nbytes(0).is_some(),
        }
    }

    #[getter]
    fn encoded_spec<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Stage::ArrayArray(codec) = &self.stage else {
            return Ok(None);
        };
        let spec = codec.encoded_spec();
        let shape = PyTuple::new(py, &spec.shape)?;
        let (kind, item_nbytes, runs) = layout_to_python(&spec.layout);
        let layout = (kind, item_nbytes, PyTuple::new(py, runs)?);
        Ok(Some(
            (shape, layout, PyBytes::new(py, spec.fill_bytes())).into_pyobject(py)?,
        ))
    }

    fn evolved(&self) -> String {
        self.stage.codec().to_json().to_string()
    }

    fn encoded_size(&self, nbytes: u64) -> PyResult<u64> {
        match &self.stage {
            // A transpose keeps the bytes; a codec that changes the item's size scales them.
            Stage::ArrayArray(codec) => {
                let (before, after) = (self.spec.layout.item_nbytes, codec.encoded_spec().layout.item_nbytes);
                Ok(nbytes / before as u64 * after as u64)
            }
            Stage::ArrayBytes(codec) if codec.plain().is_some() => Ok(nbytes),
            Stage::ArrayBytes(codec) => codec.encoded_nbytes().ok_or_else(varies),
            Stage::BytesBytes(codec) => codec.encoded_nbytes(nbytes).ok_or_else(varies),
        }
    }

    fn decode<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
        let data = buffer::bytes(data)?;
        let decoded = py
            .detach(|| self.decode_bytes(data))
            .map_err(|error| to_python(py, error, None))?;
        buffer::array_of_bytes(py, &decoded)
    }

    fn encode<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
        let data = buffer::bytes(data)?;
        match py.detach(|| self.encode_bytes(data)) {
            Ok(encoded) => buffer::array_of_bytes(py, &encoded).map(Some),
            Err(error) if error.kind() == ErrorKind::Absent => Ok(None),
            Err(error) => Err(to_python(py, error, None)),
        }
    }
}

impl PyStage {
    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.in_codec(self.stage.codec().name(), 0))
    }

    fn decode_bytes(&self, data: Bytes<'static>) -> Result<Bytes<'static>> {
        let heap = Heap::default();
        self.named(match &self.stage {
            Stage::ArrayArray(codec) => items(data, codec.encoded_spec(), &heap)
                .and_then(|items| codec.decode_with(items, &heap))
                .and_then(|items| self.spec.to_wire(items)),
            Stage::ArrayBytes(codec) => {
                decode_array(&**codec, &self.spec, data, &heap).and_then(|items| self.spec.to_wire(items))
            }
            // What the bytes were before is not known here: only the limit on memory bounds them.
            Stage::BytesBytes(codec) => {
                let limit = usize::try_from(zarrpipe_core::limits::max_chunk_nbytes()).unwrap_or(usize::MAX);
                codec.decode(data, Expect::AtMost(limit))
            }
        })
    }

    fn encode_bytes(&self, data: Bytes<'static>) -> Result<Bytes<'static>> {
        let heap = Heap::default();
        self.named(match &self.stage {
            Stage::ArrayArray(codec) => items(data, &self.spec, &heap)
                .and_then(|items| codec.encode_with(items, &heap))
                .and_then(|items| codec.encoded_spec().to_wire(items)),
            Stage::ArrayBytes(codec) => items(data, &self.spec, &heap).and_then(|items| codec.encode(items)),
            Stage::BytesBytes(codec) => codec.encode(data),
        })
    }
}

/// The items of a chunk, which somebody outside gave.
fn items(data: Bytes<'static>, spec: &ChunkSpec, heap: &Heap) -> Result<Bytes<'static>> {
    if spec.layout.variable().is_some() {
        return spec.from_wire(data, spec.items(), heap);
    }
    if data.len() as u64 == spec.nbytes() {
        return Ok(data);
    }
    Err(Error::value(format!(
        "{} bytes are not a chunk of {}",
        data.len(),
        spec.nbytes()
    )))
}

fn decode_array(
    codec: &dyn ArrayBytesCodec,
    spec: &ChunkSpec,
    data: Bytes<'static>,
    heap: &Heap,
) -> Result<Bytes<'static>> {
    let Some(sharding) = codec.sharding() else {
        return codec.decode_with(data, heap);
    };
    let mut items = scratch::take(in_memory(spec.nbytes())?)?;
    // SAFETY: the scratch buffer holds the whole chunk in C order, and the caller keeps the heap with it.
    let target = unsafe { Buffer::new(items.as_mut_ptr()).with_heap(heap) };
    sharding.decode_piece(&data, &Piece::whole(&spec.shape, &spec.strides()), target)?;
    Ok(items.into())
}
