//! Items of variable length across the border: NumPy's strings and bytes objects, and the engine's descriptors.
//!
//! Python's own items are copied, holding the interpreter, to a heap before a write begins, and made from the heap after
//! a read has ended; in between nothing of Python is touched. The descriptors lie in memory that Python never sees.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use numpy::npyffi::{PyArray_StringDTypeObject, npy_packed_static_string, npy_static_string, npy_string_allocator};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyString};
use zarrpipe_core::chain::Chain;
use zarrpipe_core::copy::{self, Buffer};
use zarrpipe_core::dtype::{Content, Kind};
use zarrpipe_core::error::Result;
use zarrpipe_core::heap::{Heap, ITEM_NBYTES};
use zarrpipe_core::scratch::{self, Bytes, Scratch};
use zarrpipe_core::select::Piece;
use zarrpipe_core::spec::c_strides;
use zarrpipe_core::variable::{self, Builder};

use crate::buffer;
use crate::error::to_python;

/// The descriptors of an array's items, with the heap that they point to.
pub struct Staging {
    content: Content,
    items: Scratch,
    /// Where they are.
    start: Buffer,
    strides: Vec<isize>,
    heap: Heap,
    /// The last to be dropped: the thread that does so is no worker, and would keep the memory.
    _trim: Trim,
}

struct Trim;

impl Drop for Trim {
    fn drop(&mut self) {
        scratch::trim();
    }
}

impl Staging {
    fn new(content: Content, mut items: Scratch, strides: Vec<isize>, heap: Heap) -> Self {
        // SAFETY: the call that uses the buffer keeps this, which never moves its items, and reads them only when the
        // call has ended; pieces that are written at one time do not overlap, by the plan's doing.
        let start = unsafe { Buffer::new(items.as_mut_ptr()) };
        Staging {
            content,
            items,
            start,
            strides,
            heap,
            _trim: Trim,
        }
    }

    /// No items yet, in C order.
    fn empty(content: Content, shape: &[u64]) -> Result<Self> {
        let count: u64 = shape.iter().product();
        let mut items = variable::take_items(usize::try_from(count).unwrap_or(usize::MAX))?;
        items.fill(0);
        let strides = c_strides(shape, ITEM_NBYTES);
        Ok(Self::new(content, items, strides, Heap::default()))
    }

    /// A copy of an array's items. An axis along which the array repeats itself is copied once.
    fn copy_of(array: &Bound<'_, PyUntypedArray>, content: Content) -> PyResult<Self> {
        let py = array.py();
        let repeats = |&(&stride, _): &(&isize, &usize)| stride == 0;
        let axes = || array.strides().iter().zip(array.shape());
        let shape: Vec<u64> = axes()
            .map(|axis| {
                if repeats(&axis) {
                    (*axis.1).min(1) as u64
                } else {
                    *axis.1 as u64
                }
            })
            .collect();
        let mut strides = c_strides(&shape, ITEM_NBYTES);
        for (stride, axis) in strides.iter_mut().zip(axes()) {
            if repeats(&axis) {
                *stride = 0;
            }
        }
        let mut builder = Builder::default();
        let whole = Piece::whole(&shape, array.strides());
        match kind(array) {
            b'T' => read_strings(array, &whole, &mut builder)?,
            b'O' => read_objects(array, &whole, content, &mut builder)?,
            _ => return Err(wrong_type(array, content)),
        }
        let heap = Heap::default();
        let items = builder.finish(&heap).map_err(|error| to_python(py, error, None))?;
        Ok(Self::new(content, items, strides, heap))
    }

    /// The memory of the items and of what they describe.
    fn nbytes(&self) -> u64 {
        // SAFETY: the items are descriptors that point to the heap.
        let described = unsafe { variable::total_nbytes(&self.items) }.unwrap_or(usize::MAX);
        (self.items.len() as u64).saturating_add(described as u64)
    }

    fn buffer(&self) -> Buffer {
        // SAFETY: a call keeps this behind an `Arc`, so the heap stays where it is, and lives as long as its items.
        unsafe { self.start.with_heap(&self.heap) }
    }

    /// Puts the items into an array of the same shape, where there are any.
    fn write_to(&self, array: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
        // SAFETY: the items are descriptors that point to the heap.
        let items = unsafe { variable::places(&self.items) };
        match kind(array) {
            b'T' => write_strings(array, items),
            b'O' => write_objects(array, items, self.content),
            _ => Err(wrong_type(array, self.content)),
        }
    }
}

fn kind(array: &Bound<'_, PyUntypedArray>) -> u8 {
    array.dtype().kind()
}

fn wrong_type(array: &Bound<'_, PyUntypedArray>, content: Content) -> PyErr {
    let name = Kind::Variable(content).name();
    PyTypeError::new_err(format!(
        "an array of {} does not hold items of type {name}",
        array.dtype()
    ))
}

/// Checks that an array's items can be those of the content.
pub fn check_dtype(array: &Bound<'_, PyUntypedArray>, content: Content) -> PyResult<()> {
    match (kind(array), content) {
        (b'T', Content::Utf8) | (b'O', _) => Ok(()),
        _ => Err(wrong_type(array, content)),
    }
}

// Arrays in calls

/// An array that a call reads from or writes to, and how the engine sees it: itself, or staged items.
pub struct ArrayItems {
    array: Py<PyUntypedArray>,
    strides: Vec<isize>,
    staging: Option<Arc<Staging>>,
}

impl ArrayItems {
    /// For a call that fills the array.
    pub fn target(array: &Bound<'_, PyUntypedArray>, chain: &Arc<Chain>) -> PyResult<Self> {
        let Some(content) = chain.layout().variable() else {
            return Ok(Self::direct(array));
        };
        let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
        let staging = Staging::empty(content, &shape);
        let staging = staging.map_err(|error| to_python(array.py(), error, None))?;
        Ok(Self::staged(array, staging))
    }

    /// For a call that takes the array's items.
    pub fn source(array: &Bound<'_, PyUntypedArray>, chain: &Arc<Chain>) -> PyResult<Self> {
        match chain.layout().variable() {
            None => Ok(Self::direct(array)),
            Some(content) => Ok(Self::staged(array, Staging::copy_of(array, content)?)),
        }
    }

    fn direct(array: &Bound<'_, PyUntypedArray>) -> Self {
        ArrayItems {
            array: array.clone().unbind(),
            strides: array.strides().to_vec(),
            staging: None,
        }
    }

    fn staged(array: &Bound<'_, PyUntypedArray>, staging: Staging) -> Self {
        ArrayItems {
            array: array.clone().unbind(),
            strides: staging.strides.clone(),
            staging: Some(Arc::new(staging)),
        }
    }

    /// What the items hold, where they are of variable length.
    pub fn content(&self) -> Option<Content> {
        self.staging.as_ref().map(|staging| staging.content)
    }

    /// Byte strides of the items as the engine sees them.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    pub fn buffer(&self, py: Python<'_>) -> Buffer {
        match &self.staging {
            None => buffer::target(self.array.bind(py)),
            Some(staging) => staging.buffer(),
        }
    }

    /// What must live as long as the call.
    pub fn keep(&self, py: Python<'_>) -> (Py<PyAny>, Option<Arc<Staging>>) {
        (self.array.clone_ref(py).into_any(), self.staging.clone())
    }

    /// The memory that the items take. Where the array repeats itself they count once.
    pub fn nbytes(&self, py: Python<'_>) -> u64 {
        if let Some(staging) = &self.staging {
            return staging.nbytes();
        }
        let array = self.array.bind(py);
        let own = array
            .strides()
            .iter()
            .zip(array.shape())
            .filter(|&(&stride, _)| stride != 0);
        let items: u64 = own.map(|(_, &n)| n as u64).product();
        items * array.dtype().itemsize() as u64
    }

    /// The array, when the call that fills it has ended well.
    pub fn finish(self, py: Python<'_>) -> PyResult<Bound<'_, PyUntypedArray>> {
        let array = self.array.into_bound(py);
        if let Some(staging) = &self.staging {
            staging.write_to(&array)?;
        }
        Ok(array)
    }
}

/// A chunk that is decoded in memory: the bytes of its items, or staged items that are packed in the end.
pub enum Decoded {
    Fixed(Py<PyUntypedArray>),
    Variable(Arc<Staging>),
}

impl Decoded {
    pub fn new(py: Python<'_>, chain: &Arc<Chain>) -> PyResult<Self> {
        let spec = chain.spec();
        match chain.layout().variable() {
            None => Ok(Decoded::Fixed(buffer::empty_bytes(py, spec.nbytes())?.unbind())),
            Some(content) => {
                let staging = Staging::empty(content, &spec.shape);
                Ok(Decoded::Variable(Arc::new(
                    staging.map_err(|error| to_python(py, error, None))?,
                )))
            }
        }
    }

    pub fn buffer(&self, py: Python<'_>) -> Buffer {
        match self {
            Decoded::Fixed(array) => buffer::target(array.bind(py)),
            Decoded::Variable(staging) => staging.buffer(),
        }
    }

    /// What of Python's the engine writes to.
    pub fn array(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self {
            Decoded::Fixed(array) => Some(array.clone_ref(py).into_any()),
            Decoded::Variable(_) => None,
        }
    }

    pub fn staging(&self) -> Option<Arc<Staging>> {
        match self {
            Decoded::Fixed(_) => None,
            Decoded::Variable(staging) => Some(staging.clone()),
        }
    }

    pub fn finish(self, py: Python<'_>) -> PyResult<Bound<'_, PyUntypedArray>> {
        match self {
            Decoded::Fixed(array) => Ok(array.into_bound(py)),
            Decoded::Variable(staging) => {
                // SAFETY: the items are descriptors that point to the heap.
                let packed = unsafe { variable::pack(&staging.items) };
                buffer::array_of_bytes(py, &packed.map_err(|error| to_python(py, error, None))?)
            }
        }
    }
}

// Packed items, for Python codecs and chunks in memory

#[pyfunction]
pub fn pack_items<'py>(array: &Bound<'py, PyUntypedArray>, content: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = array.py();
    let content = parse_content(content)?;
    let c_order = copy_in_c_order(array)?;
    let staging = Staging::copy_of(&c_order, content)?;
    // SAFETY: the items are descriptors that point to the staging's heap.
    let packed = unsafe { variable::pack(&staging.items) };
    buffer::array_of_bytes(py, &packed.map_err(|error| to_python(py, error, None))?)
}

#[pyfunction]
pub fn unpack_items(data: &Bound<'_, PyAny>, content: &str, out: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
    let (data, content): (Bytes<'static>, _) = (buffer::bytes(data)?, parse_content(content)?);
    let count: u64 = out.shape().iter().map(|&n| n as u64).product();
    let heap = Heap::default();
    let items = variable::unpack(data, count, content, &heap).map_err(|error| to_python(out.py(), error, None))?;
    Staging::new(content, items, Vec::new(), heap).write_to(out)
}

fn parse_content(name: &str) -> PyResult<Content> {
    match Kind::parse(name) {
        Some(Kind::Variable(content)) => Ok(content),
        _ => Err(PyTypeError::new_err(format!(
            "items of {name:?} are not of variable length"
        ))),
    }
}

/// `copy_of` takes repeated items once; a packed chunk has each.
fn copy_in_c_order<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    if array
        .strides()
        .iter()
        .zip(array.shape())
        .all(|(&stride, &n)| stride != 0 || n <= 1)
    {
        return Ok(array.clone());
    }
    Ok(array.call_method0("copy")?.cast_into()?)
}

// Objects

/// The items of an object array. None, and 0 as numcodecs has it, are missing values and read as empty.
fn read_objects(
    array: &Bound<'_, PyUntypedArray>,
    places: &Piece,
    content: Content,
    builder: &mut Builder,
) -> PyResult<()> {
    let py = array.py();
    let mut outcome = Ok(());
    let mut read = |place: *mut u8| {
        if outcome.is_ok() {
            // SAFETY: a place of an object array holds null or a reference, which need not be aligned.
            let object = unsafe {
                let object = place.cast::<*mut ffi::PyObject>().read_unaligned();
                Bound::from_borrowed_ptr_or_opt(py, object)
            };
            outcome = push_object(py, object.as_ref(), content, builder);
        }
    };
    // SAFETY: the places are those of the array, which is alive.
    unsafe { copy::visit(buffer::data(array), places, &mut read) };
    outcome
}

fn push_object(
    py: Python<'_>,
    object: Option<&Bound<'_, PyAny>>,
    content: Content,
    builder: &mut Builder,
) -> PyResult<()> {
    let present = |object: &&Bound<'_, PyAny>| {
        let zero = object.is_exact_instance_of::<PyInt>() && object.extract::<i64>().is_ok_and(|n| n == 0);
        !(object.is_none() || zero)
    };
    let Some(object) = object.filter(present) else {
        return builder.push(&[]).map_err(|error| to_python(py, error, None));
    };
    let pushed = match content {
        Content::Utf8 => match object.cast::<PyString>() {
            Ok(text) => builder.push(text.to_str()?.as_bytes()),
            Err(_) => return Err(wrong_object(object, "str")),
        },
        Content::Bytes => match object.cast::<PyBytes>() {
            Ok(bytes) => builder.push(bytes.as_bytes()),
            Err(_) => return Err(wrong_object(object, "bytes")),
        },
    };
    pushed.map_err(|error| to_python(py, error, None))
}

fn wrong_object(object: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let found = object.get_type();
    PyTypeError::new_err(format!("the value holds an object of {found}, not of {expected}"))
}

fn write_objects<'h>(
    array: &Bound<'_, PyUntypedArray>,
    items: impl Iterator<Item = Option<&'h [u8]>>,
    content: Content,
) -> PyResult<()> {
    let py = array.py();
    let mut outcome = Ok(());
    let mut items = items;
    let mut write = |place: *mut u8| {
        let Some(Some(item)) = items.next() else { return };
        if outcome.is_err() {
            return;
        }
        match object_of(py, item, content) {
            Ok(object) => {
                let place = place.cast::<*mut ffi::PyObject>();
                // SAFETY: a place of an object array holds null or a reference, which is ours to drop once the new one
                // stands there.
                unsafe {
                    let old = place.read_unaligned();
                    place.write_unaligned(object.into_ptr());
                    ffi::Py_XDECREF(old);
                }
            }
            Err(error) => outcome = Err(error),
        }
    };
    // SAFETY: the places are those of the array, which is alive.
    unsafe { copy::visit(buffer::data(array), &whole(array), &mut write) };
    outcome
}

/// A new object: unlike PyO3's constructors, an error where there is no memory for it.
fn object_of<'py>(py: Python<'py>, item: &[u8], content: Content) -> PyResult<Bound<'py, PyAny>> {
    let (start, len) = (item.as_ptr().cast::<c_char>(), item.len() as isize);
    // SAFETY: the item's bytes, which Python copies; a new reference, or null with an exception set.
    unsafe {
        let object = match content {
            Content::Utf8 => ffi::PyUnicode_FromStringAndSize(start, len),
            Content::Bytes => ffi::PyBytes_FromStringAndSize(start, len),
        };
        Bound::from_owned_ptr_or_err(py, object)
    }
}

fn whole(array: &Bound<'_, PyUntypedArray>) -> Piece {
    let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
    Piece::whole(&shape, array.strides())
}

// NumPy's strings: <https://numpy.org/doc/stable/reference/c-api/strings.html>

type Load =
    unsafe extern "C" fn(*mut npy_string_allocator, *const npy_packed_static_string, *mut npy_static_string) -> c_int;
type Pack =
    unsafe extern "C" fn(*mut npy_string_allocator, *mut npy_packed_static_string, *const c_char, usize) -> c_int;
type Acquire = unsafe extern "C" fn(*const PyArray_StringDTypeObject) -> *mut npy_string_allocator;
type Release = unsafe extern "C" fn(*mut npy_string_allocator);

/// The functions of NumPy's C API for strings, which the numpy crate leaves out.
struct StringApi {
    load: Load,
    pack: Pack,
    acquire: Acquire,
    release: Release,
}

impl StringApi {
    fn get(py: Python<'_>) -> PyResult<&'static StringApi> {
        static API: PyOnceLock<StringApi> = PyOnceLock::new();
        API.get_or_try_init(py, || {
            let capsule = py.import("numpy._core._multiarray_umath")?.getattr("_ARRAY_API")?;
            // SAFETY: the capsule of NumPy's C API has no name; null comes with an exception.
            let table = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), ptr::null()) };
            if table.is_null() {
                return Err(PyErr::fetch(py));
            }
            let table = table.cast::<*const c_void>();
            // SAFETY: the table of NumPy 2.0 and later has these functions in these places, and is never freed.
            unsafe {
                Ok(StringApi {
                    load: table.add(313).cast::<Load>().read(),
                    pack: table.add(314).cast::<Pack>().read(),
                    acquire: table.add(316).cast::<Acquire>().read(),
                    release: table.add(318).cast::<Release>().read(),
                })
            }
        })
    }
}

/// The lock of an array's strings. Nothing of Python may be called while it is held.
struct Strings<'py> {
    api: &'static StringApi,
    allocator: *mut npy_string_allocator,
    /// Keeps the allocator.
    _dtype: Bound<'py, PyArrayDescr>,
}

impl<'py> Strings<'py> {
    fn lock(array: &Bound<'py, PyUntypedArray>) -> PyResult<Self> {
        let api = StringApi::get(array.py())?;
        let dtype = array.dtype();
        // SAFETY: the data type is a StringDType (its kind is T), and it is alive.
        let allocator = unsafe { (api.acquire)(dtype.as_ptr().cast()) };
        Ok(Strings {
            api,
            allocator,
            _dtype: dtype,
        })
    }
}

impl Drop for Strings<'_> {
    fn drop(&mut self) {
        // SAFETY: it was acquired, and is released once.
        unsafe { (self.api.release)(self.allocator) };
    }
}

fn read_strings(array: &Bound<'_, PyUntypedArray>, places: &Piece, builder: &mut Builder) -> PyResult<()> {
    let py = array.py();
    let mut outcome = Ok(());
    let mut loaded = true;
    {
        let strings = Strings::lock(array)?;
        let mut read = |place: *mut u8| {
            let mut text = npy_static_string {
                size: 0,
                buf: ptr::null(),
            };
            // SAFETY: a place of the array, whose allocator is locked.
            let missing = unsafe { (strings.api.load)(strings.allocator, place.cast(), &raw mut text) };
            loaded &= missing >= 0;
            if missing != 0 || text.size == 0 || outcome.is_err() {
                // A missing value is empty, as None is.
                outcome = std::mem::replace(&mut outcome, Ok(())).and_then(|()| builder.push(&[]));
                return;
            }
            // SAFETY: NumPy has just said where the text lies; it stays there while the allocator is locked.
            let text = unsafe { std::slice::from_raw_parts(text.buf.cast(), text.size) };
            outcome = builder.push(text);
        };
        // SAFETY: the places are those of the array, which is alive.
        unsafe { copy::visit(buffer::data(array), places, &mut read) };
    }
    if !loaded {
        return Err(PyMemoryError::new_err("NumPy cannot load a string"));
    }
    outcome.map_err(|error| to_python(py, error, None))
}

fn write_strings<'h>(array: &Bound<'_, PyUntypedArray>, items: impl Iterator<Item = Option<&'h [u8]>>) -> PyResult<()> {
    let mut items = items;
    let mut packed = true;
    {
        let strings = Strings::lock(array)?;
        let mut write = |place: *mut u8| {
            if let Some(Some(item)) = items.next() {
                let (start, len) = (item.as_ptr().cast::<c_char>(), item.len());
                // SAFETY: a place of the array, whose allocator is locked; NumPy copies the bytes, which are UTF-8.
                packed &= unsafe { (strings.api.pack)(strings.allocator, place.cast(), start, len) } >= 0;
            }
        };
        // SAFETY: the places are those of the array, which is alive and writable.
        unsafe { copy::visit(buffer::data(array), &whole(array), &mut write) };
    }
    if packed {
        return Ok(());
    }
    Err(PyMemoryError::new_err("no memory for the strings"))
}
