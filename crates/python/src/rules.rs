//! The rules of each kind of selection: what its items may be, and what they pick.

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyList, PySlice};
use zarrpipe_core::grid::Grid;
use zarrpipe_core::limits;

use crate::error::to_python;
use crate::index::{Pick, Taken, error, indices, integer, kind, places_of_true, refuse_dtype, take, too_many, whole};
use crate::selection::{Picked, offsets};

/// Parses one item for each axis; where there are fewer, all of the axes that Ellipsis, or the end, stands for. None
/// where `one` gives it.
fn each_axis<'py>(
    py: Python<'py>,
    items: &[Bound<'py, PyAny>],
    shape: &[u64],
    mut one: impl FnMut(&Bound<'py, PyAny>, usize) -> PyResult<Option<Pick>>,
) -> PyResult<Option<Vec<Pick>>> {
    let ellipses = items.iter().filter(|item| item.is_instance_of::<PyEllipsis>()).count();
    if ellipses > 1 {
        return Err(error(py, "a selection may hold one Ellipsis ('...')"));
    }
    let named = items.len() - ellipses;
    if named > shape.len() {
        return Err(too_many(py, shape, named));
    }
    let mut picks = Vec::with_capacity(shape.len());
    for item in items {
        if item.is_instance_of::<PyEllipsis>() {
            for &n in &shape[picks.len()..picks.len() + shape.len() - named] {
                picks.push(Pick::Taken(whole(n)));
            }
        } else {
            match one(item, picks.len())? {
                Some(pick) => picks.push(pick),
                None => return Ok(None),
            }
        }
    }
    picks.extend(shape[picks.len()..].iter().map(|&n| Pick::Taken(whole(n))));
    Ok(Some(picks))
}

/// None where an item is neither an integer nor a slice.
fn if_basic<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Option<Vec<Pick>>> {
    each_axis(py, items, shape, |item, axis| {
        Ok(take(item, shape[axis], axis)?.map(Pick::Taken))
    })
}

pub fn basic<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Picked> {
    let picks = if_basic(py, items, shape)?.ok_or_else(|| not_basic(py, items))?;
    Ok(Picked::Product(picks))
}

fn not_basic(py: Python<'_>, items: &[Bound<'_, PyAny>]) -> PyErr {
    let kinds: Vec<String> = items.iter().map(kind).collect();
    let message = "a basic selection is made of slices, integers and Ellipsis, not of";
    error(py, format!("{message} ({})", kinds.join(", ")))
}

/// What stands for one axis, or for several.
enum Item<'py> {
    Integer,
    Slice,
    /// Of integers.
    List(Bound<'py, PyUntypedArray>),
    Mask(Bound<'py, PyUntypedArray>),
    Other,
}

impl<'py> Item<'py> {
    /// Between brackets a list has one axis, and something in it.
    fn classify(item: &Bound<'py, PyAny>) -> PyResult<Self> {
        if item.is_instance_of::<PySlice>() {
            return Ok(Item::Slice);
        }
        if integer(item).is_some() {
            return Ok(Item::Integer);
        }
        let list = item.cast::<PyList>().ok();
        if list.is_some_and(|list| !is_plain(list)) {
            return Ok(Item::Other);
        }
        Ok(match as_array(item)? {
            Some(array) if matches!(array.dtype().kind(), b'i' | b'u') => Item::List(array),
            Some(array) if array.dtype().kind() == b'b' => Item::Mask(array),
            _ => Item::Other,
        })
    }

    fn array(&self) -> Option<&Bound<'py, PyUntypedArray>> {
        match self {
            Item::List(array) | Item::Mask(array) => Some(array),
            Item::Integer | Item::Slice | Item::Other => None,
        }
    }
}

/// Whether a list is one of integers or one of booleans, and not empty.
fn is_plain(list: &Bound<'_, PyList>) -> bool {
    let bools = list.iter().filter(|item| item.is_instance_of::<PyBool>()).count();
    let nested = list.iter().any(|item| item.is_instance_of::<PyList>());
    !nested && !list.is_empty() && (bools == 0 || bools == list.len())
}

/// An array, or what becomes one: a list, or an object with `__array__`. A scalar of NumPy's does not.
fn as_array<'py>(item: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
    if let Ok(array) = item.cast::<PyUntypedArray>() {
        return Ok(Some(array.clone()));
    }
    let py = item.py();
    let numpy = py.import("numpy")?;
    let scalar = || item.is_instance(&numpy.getattr("generic")?);
    if !item.is_instance_of::<PyList>() && (!item.hasattr("__array__")? || scalar()?) {
        return Ok(None);
    }
    let array = numpy.call_method1("asarray", (item,));
    let array = array.map_err(|cause| error(py, format!("an index is no array: {}", cause.value(py))))?;
    Ok(Some(array.cast_into::<PyUntypedArray>()?))
}

/// What brackets after an array mean: a basic selection if it is one.
pub fn any<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Picked> {
    let is_basic = |item: &Bound<'_, PyAny>| {
        !item.is_instance_of::<PyList>() && item.cast::<PyUntypedArray>().map_or(true, |array| array.ndim() == 0)
    };
    if items.iter().all(is_basic)
        && let Some(picks) = if_basic(py, items, shape)?
    {
        return Ok(Picked::Product(picks));
    }
    let rank = shape.len();
    let parsed: Vec<Item<'_>> = items.iter().map(Item::classify).collect::<PyResult<_>>()?;
    let arrays = parsed.iter().filter(|item| item.array().is_some()).count();
    let of_integers = |item: &Item<'_>| matches!(item, Item::List(_) | Item::Integer);
    let along_axes = |item: &Item<'_>| !matches!(item, Item::Other);
    let converted = parsed.iter().zip(items).map(|(item, given)| match item.array() {
        Some(array) => array.as_any().clone(),
        None => given.clone(),
    });
    let converted: Vec<Bound<'_, PyAny>> = converted.collect();
    if let ([Item::Mask(mask)], [given]) = (&parsed[..], items)
        && (rank == 1 || !given.is_instance_of::<PyList>())
    {
        return where_true(py, mask, shape);
    }
    if arrays > 0 && items.len() == rank && parsed.iter().all(of_integers) {
        return coordinates(py, &converted, shape);
    }
    if arrays > 0 && items.len() <= rank && (arrays == rank || arrays == 1 && parsed.iter().all(along_axes)) {
        return orthogonal(py, &converted, shape);
    }
    if arrays == 0 {
        return Err(not_basic(py, items));
    }
    let message = "these arrays cannot be between brackets together, or with the rest: use oindex or vindex";
    Err(error(py, message))
}

/// Single items, by a mask or by coordinates.
pub fn vectorized<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Picked> {
    let [item] = items else {
        return coordinates(py, items, shape);
    };
    match as_array(item)? {
        Some(array) if array.dtype().kind() == b'b' => where_true(py, &array, shape),
        Some(array) => coordinates(py, &[array.into_any()], shape),
        None => coordinates(py, items, shape),
    }
}

/// By one item for each axis: arrays have one axis, masks the length of theirs.
pub fn orthogonal<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Picked> {
    let picks = each_axis(py, items, shape, |item, axis| {
        let len = shape[axis];
        if let Some(taken) = take(item, len, axis)? {
            return Ok(Some(Pick::Taken(taken)));
        }
        let wrong = || error(py, format!("axis {axis}: an index cannot be of type {}", kind(item)));
        let array = as_array(item)?.ok_or_else(wrong)?;
        let ndim = array.ndim();
        if ndim != 1 {
            return Err(error(
                py,
                format!("axis {axis}: an index array has one axis here, not {ndim}"),
            ));
        }
        let listed = match array.dtype().kind() {
            b'i' | b'u' => indices(&array, len, axis)?,
            b'b' if array.len() as u64 == len => indices(&places_of_true(&array)?[0], len, axis)?,
            b'b' => {
                let found = array.len();
                return Err(error(
                    py,
                    format!("axis {axis}: a mask of length {found} where the axis has {len}"),
                ));
            }
            _ => return Err(refuse_dtype(&array)),
        };
        Ok(Some(Pick::listed(listed)))
    })?;
    Ok(Picked::Product(picks.unwrap_or_default()))
}

/// Single items, by a mask.
pub fn mask<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Picked> {
    let array = match items {
        [item] => as_array(item)?.filter(|array| array.dtype().kind() == b'b'),
        _ => None,
    };
    where_true(py, &array.ok_or_else(|| no_mask(py, shape))?, shape)
}

/// Where a mask is true: a result of one axis.
fn where_true<'py>(py: Python<'py>, mask: &Bound<'py, PyUntypedArray>, shape: &[u64]) -> PyResult<Picked> {
    if shape.is_empty() || !mask.shape().iter().map(|&n| n as u64).eq(shape.iter().copied()) {
        return Err(no_mask(py, shape));
    }
    let places: Vec<Bound<'_, PyAny>> = places_of_true(mask)?.into_iter().map(Bound::into_any).collect();
    coordinates(py, &places, shape)
}

fn no_mask(py: Python<'_>, shape: &[u64]) -> PyErr {
    error(
        py,
        format!("a mask is one boolean array of the array's shape, {shape:?}"),
    )
}

/// Single items, by integers and arrays of integers, one for each axis.
pub fn coordinates<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], shape: &[u64]) -> PyResult<Picked> {
    let rank = shape.len();
    if items.len() != rank || rank == 0 {
        let message = format!("single items are selected by a mask, or by {rank} arrays of coordinates, one an axis");
        return Err(error(py, message));
    }
    let mut arrays = Vec::with_capacity(rank);
    for (axis, (item, &len)) in items.iter().zip(shape).enumerate() {
        arrays.push(match take_integer(item, len, axis)? {
            Some(index) => (vec![1], vec![index]),
            None => {
                let wrong = || error(py, format!("axis {axis}: coordinates cannot be of type {}", kind(item)));
                let array = as_array(item)?.ok_or_else(wrong)?;
                if !matches!(array.dtype().kind(), b'i' | b'u') {
                    return Err(refuse_dtype(&array));
                }
                let extents = array.shape().iter().map(|&n| n as u64).collect();
                (extents, indices(&array, len, axis)?)
            }
        });
    }
    together(py, arrays)
}

fn take_integer(item: &Bound<'_, PyAny>, len: u64, axis: usize) -> PyResult<Option<u64>> {
    if item.is_instance_of::<PySlice>() {
        return Ok(None);
    }
    Ok(match take(item, len, axis)? {
        Some(Taken::Index(index)) => Some(index),
        _ => None,
    })
}

/// Broadcasts arrays of coordinates: (shape, indices in C order) for each axis.
fn together(py: Python<'_>, arrays: Vec<(Vec<u64>, Vec<u64>)>) -> PyResult<Picked> {
    let ndim = arrays.iter().map(|(shape, _)| shape.len()).max().unwrap_or(0).max(1);
    let mut shape = vec![1; ndim];
    for (own, _) in &arrays {
        for (all, &n) in shape.iter_mut().rev().zip(own.iter().rev()) {
            if *all != n && *all != 1 && n != 1 {
                let shapes: Vec<_> = arrays.iter().map(|(shape, _)| shape).collect();
                return Err(error(
                    py,
                    format!("coordinates of shapes {shapes:?} cannot go together"),
                ));
            }
            if *all == 1 {
                *all = n;
            }
        }
    }
    // What the coordinates will take as pairs; the arrays given may be much smaller.
    limits::checked_product(16, &shape)
        .and_then(limits::in_memory)
        .map_err(|error| to_python(py, error, None))?;
    if let [(own, _)] = &arrays[..]
        && own.len() == 1
    {
        let listed = arrays.into_iter().map(|(_, indices)| Pick::listed(indices));
        return Ok(Picked::Product(listed.collect()));
    }
    let axes = arrays.into_iter().map(|(own, indices)| {
        if own == shape {
            return indices;
        }
        let offsets = offsets(&shape, &repeated(&own, ndim));
        offsets.into_iter().map(|at| indices[at as usize]).collect()
    });
    let axes = axes.collect();
    Ok(Picked::Points { axes, shape })
}

/// The strides, in items, over an array of `own` shape that is broadcast to `ndim` axes.
fn repeated(own: &[u64], ndim: usize) -> Vec<isize> {
    let mut strides = vec![0; ndim];
    let mut stride = 1;
    for (place, &n) in strides.iter_mut().rev().zip(own.iter().rev()) {
        if n != 1 {
            *place = stride;
        }
        stride *= n as isize;
    }
    strides
}

/// Whole chunks, by their places in the grid.
pub fn blocks<'py>(py: Python<'py>, items: &[Bound<'py, PyAny>], grid: &Grid) -> PyResult<Picked> {
    let picks = each_axis(py, items, grid.shape(), |item, axis| {
        let (first, end) = block_range(item, grid.count(axis), axis)?;
        let start = grid.start(axis, first);
        let stop = grid.start(axis, end).min(grid.shape()[axis]);
        let len = stop.saturating_sub(start);
        Ok(Some(Pick::Taken(Taken::Range { start, step: 1, len })))
    })?;
    let picks = picks.unwrap_or_default();
    // Ellipsis, and what is left out, is all blocks, of which there is one at least.
    if grid.shape().contains(&0) {
        return Err(error(py, "the array has no blocks"));
    }
    Ok(Picked::Product(picks))
}

/// The first of the blocks that an item selects, and the one behind the last.
fn block_range(item: &Bound<'_, PyAny>, count: u64, axis: usize) -> PyResult<(u64, u64)> {
    let py = item.py();
    let Ok(slice) = item.cast::<PySlice>() else {
        let wrong = || {
            error(
                py,
                format!(
                    "axis {axis}: blocks are selected by integers and slices, not {}",
                    kind(item)
                ),
            )
        };
        let first = match take(item, count, axis)?.ok_or_else(wrong)? {
            Taken::Index(first) | Taken::Range { start: first, .. } => first,
        };
        return Ok((first, first + 1));
    };
    let member = |name: &str, absent: i128| -> PyResult<i128> {
        let value = slice.getattr(name)?;
        if value.is_none() {
            return Ok(absent);
        }
        integer(&value).ok_or_else(|| error(py, format!("axis {axis}: a slice of blocks has integers")))
    };
    let count = i128::from(count);
    let from_end = |n: i128| if n < 0 { n + count } else { n };
    let step = member("step", 1)?;
    if step != 1 {
        return Err(error(
            py,
            format!("axis {axis}: blocks are selected with step 1, not {step}"),
        ));
    }
    let first = from_end(member("start", 0)?);
    if !(0..count).contains(&first) {
        return Err(error(
            py,
            format!("axis {axis}: block {first} is out of bounds, there are {count}"),
        ));
    }
    let end = from_end(member("stop", count)?).clamp(first, count);
    Ok((first as u64, end as u64))
}
