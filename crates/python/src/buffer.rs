//! Bytes and arrays across the border, without copies.
//!
//! A Python object that gives bytes stays alive, by its buffer, for as long as the core holds them. Bytes of the core
//! that Python is given are an object that owns them. Arrays are NumPy's; the core sees a pointer and strides, and
//! the call that uses them keeps the array.

use std::ffi::{c_int, c_void};
use std::ptr;

use numpy::npyffi::{self, PY_ARRAY_API};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use zarrpipe_core::copy::Buffer;
use zarrpipe_core::scratch::Bytes;

use crate::error::type_error;

/// The bytes of a Python object.
struct View(PyUntypedBuffer);

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the buffer is contiguous (checked in `bytes`) and held until this is dropped. Its owner must not
        // write to it meanwhile, as with every use of the buffer protocol.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}

/// The bytes of a bytes-like object, kept alive by it.
pub fn bytes(object: &Bound<'_, PyAny>) -> PyResult<Bytes<'static>> {
    let buffer = PyUntypedBuffer::get(object)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("the bytes must be contiguous"));
    }
    Ok(Bytes::foreign(Box::new(View(buffer))))
}

/// Bytes of the core that Python holds: a read-only bytes-like.
#[pyclass(frozen, module = "zarrpipe._core", name = "Owned")]
pub struct Owned(Bytes<'static>);

impl Owned {
    pub fn new(bytes: Bytes<'static>) -> Self {
        Owned(bytes)
    }
}

#[pymethods]
impl Owned {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut pyo3::ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = slf.get();
        let (start, len) = (bytes.0.as_ptr().cast_mut().cast::<c_void>(), bytes.0.len() as isize);
        // SAFETY: Python passes a valid view; the object, which the view keeps, owns the bytes and never moves them.
        let filled = unsafe { pyo3::ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, len, 1, flags) };
        if filled == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}

/// A new array of any shape and order; its items are not set.
pub fn empty<'py>(
    py: Python<'py>,
    dtype: &Bound<'py, PyArrayDescr>,
    shape: &[u64],
    fortran: bool,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let mut dims: Vec<isize> = shape.iter().map(|&n| n as isize).collect();
    let descr = dtype.clone().into_dtype_ptr();
    // SAFETY: `PyArray_Empty` takes over the reference to the dtype and reads `dims.len()` extents.
    let array =
        unsafe { PY_ARRAY_API.PyArray_Empty(py, dims.len() as c_int, dims.as_mut_ptr(), descr, c_int::from(fortran)) };
    // SAFETY: a new reference, or null with an exception set.
    let array = unsafe { Bound::from_owned_ptr_or_err(py, array) }?;
    Ok(array.cast_into::<PyUntypedArray>()?)
}

/// A new one-dimensional array of bytes.
pub fn empty_bytes(py: Python<'_>, nbytes: u64) -> PyResult<Bound<'_, PyUntypedArray>> {
    empty(py, &numpy::dtype::<u8>(py), &[nbytes], false)
}

/// A new array of bytes with this content.
pub fn array_of_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = empty_bytes(py, bytes.len() as u64)?;
    // SAFETY: the new array has exactly this many bytes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data(&array), bytes.len()) };
    Ok(array)
}

/// Where an array's items are.
pub fn data(array: &Bound<'_, PyUntypedArray>) -> *mut u8 {
    // SAFETY: the array is alive; this reads its data pointer.
    unsafe { (*array.as_array_ptr()).fields.data.cast() }
}

/// An array's items for the engine. The call that uses it must keep the array.
pub fn target(array: &Bound<'_, PyUntypedArray>) -> Buffer {
    // SAFETY: the array's memory is valid for its shape and strides, from which pieces are made, while the call keeps
    // the array; that pieces written at one time do not overlap is the plan's doing.
    unsafe { Buffer::new(data(array)) }
}

/// Checks an array that is to be written to: its dtype, its shape, that it is writable and no item is there twice.
pub fn check_out(array: &Bound<'_, PyUntypedArray>, dtype: &Bound<'_, PyArrayDescr>, shape: &[u64]) -> PyResult<()> {
    check_dtype(array, dtype, "out")?;
    check_shape(array, shape, "out")?;
    // SAFETY: the array is alive; this reads its flags.
    let flags = unsafe { (*array.as_array_ptr()).fields.flags };
    if flags & npyffi::NPY_ARRAY_WRITEABLE == 0 {
        return Err(PyValueError::new_err("out is read-only"));
    }
    if overlaps_itself(array) {
        return Err(PyValueError::new_err("out has several items in one place in memory"));
    }
    Ok(())
}

pub fn check_dtype(array: &Bound<'_, PyUntypedArray>, dtype: &Bound<'_, PyArrayDescr>, what: &str) -> PyResult<()> {
    let found = array.dtype();
    if found.is_equiv_to(dtype) {
        return Ok(());
    }
    Err(type_error(format!("{what} has dtype {found}, the array {dtype}")))
}

pub fn check_shape(array: &Bound<'_, PyUntypedArray>, shape: &[u64], what: &str) -> PyResult<()> {
    if array.shape().iter().map(|&n| n as u64).eq(shape.iter().copied()) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "{what} has shape {:?}, the selection {shape:?}",
        array.shape()
    )))
}

/// Whether two items may share memory: no axis steps over the whole of those below it.
fn overlaps_itself(array: &Bound<'_, PyUntypedArray>) -> bool {
    if array.is_empty() {
        return false;
    }
    let mut axes: Vec<(usize, usize)> = array
        .strides()
        .iter()
        .zip(array.shape())
        .filter(|&(_, &n)| n > 1)
        .map(|(stride, &n)| (stride.unsigned_abs(), n))
        .collect();
    axes.sort_unstable();
    let mut reach = array.dtype().itemsize();
    axes.iter().any(|&(stride, n)| {
        let overlaps = stride < reach;
        reach += stride * (n - 1);
        overlaps
    })
}
