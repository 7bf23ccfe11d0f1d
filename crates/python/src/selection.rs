//! Selections: basic ones (slices with positive steps, integers and Ellipsis, by the slice rules of Python), and those
//! by integer and boolean arrays.

use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
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

/// A basic selection over all axes of an array.
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
            return Err(too_many(py, shape, named));
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
        Piece::new(self.0.iter().map(axis).collect(), 0)
    }
}

fn whole(len: u64) -> Taken {
    Taken::Range { start: 0, step: 1, len }
}

fn take(item: &Bound<'_, PyAny>, len: u64, axis: usize) -> PyResult<Taken> {
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
        return Err(out_of_bounds(item.py(), index, axis, len));
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

fn kind(item: &Bound<'_, PyAny>) -> String {
    item.get_type()
        .name()
        .map_or_else(|_| "this".to_owned(), |name| name.to_string())
}

fn error(py: Python<'_>, message: impl Into<String>) -> PyErr {
    to_python(py, Error::selection(message.into()), None)
}

/// What a selection picks of one axis.
enum Pick {
    Taken(Taken),
    /// By an array: any indices.
    List(Vec<u64>),
}

impl Pick {
    fn len(&self) -> u64 {
        match self {
            Pick::Taken(Taken::Index(_)) => 1,
            Pick::Taken(Taken::Range { len, .. }) => *len,
            Pick::List(indices) => indices.len() as u64,
        }
    }
}

/// A selection that may hold arrays, over all axes.
///
/// As in NumPy, one-dimensional arrays go together (points); those that `numpy.ix_` makes, each lying along an axis
/// of its own, and an array alone go each with all others.
pub struct Picks {
    axes: Vec<Pick>,
    joint: bool,
}

/// Where along an axis of a buffer, in bytes.
enum Places {
    Even { stride: isize, len: u64 },
    Listed(Vec<isize>),
}

impl Places {
    fn len(&self) -> u64 {
        match self {
            Places::Even { len, .. } => *len,
            Places::Listed(offsets) => offsets.len() as u64,
        }
    }

    fn offset(&self, i: u64) -> isize {
        match self {
            Places::Even { stride, .. } => i as isize * stride,
            Places::Listed(offsets) => offsets[i as usize],
        }
    }
}

/// What a selection picks of a buffer: the axes that it leaves, and from where they count.
pub struct Target {
    axes: Vec<Places>,
    start: isize,
}

impl Picks {
    pub fn parse(selection: &Bound<'_, PyAny>, shape: &[u64]) -> PyResult<Self> {
        let py = selection.py();
        let items: Vec<Bound<'_, PyAny>> = match selection.cast::<PyTuple>() {
            Ok(tuple) => tuple.iter().collect(),
            Err(_) => vec![selection.clone()],
        };
        let mut axes = Vec::with_capacity(shape.len());
        let (mut flat, mut lists) = (0, 0);
        for item in &items {
            let array = item.cast::<PyUntypedArray>().ok().filter(|array| array.ndim() > 0);
            let Some(array) = array else {
                let axis = axes.len();
                let len = *shape.get(axis).ok_or_else(|| too_many(py, shape, items.len()))?;
                axes.push(Pick::Taken(take(item, len, axis)?));
                continue;
            };
            for indices in index_arrays(array)? {
                let axis = axes.len();
                let len = *shape.get(axis).ok_or_else(|| too_many(py, shape, items.len()))?;
                lists += 1;
                flat += usize::from(indices.0 == 1);
                axes.push(Pick::List(in_bounds(py, &indices.1, len, axis)?));
            }
        }
        axes.extend(shape[axes.len()..].iter().map(|&n| Pick::Taken(whole(n))));
        let mut picks = Picks {
            axes,
            joint: lists > 1 && flat > 0,
        };
        picks.broadcast(py)?;
        Ok(picks)
    }

    /// Arrays that go together are of one length, or of length 1.
    fn broadcast(&mut self, py: Python<'_>) -> PyResult<()> {
        if !self.joint {
            return Ok(());
        }
        let lists = || self.axes.iter().filter(|pick| matches!(pick, Pick::List(_)));
        let len = lists().map(Pick::len).find(|&len| len != 1).unwrap_or(1);
        if lists().any(|pick| pick.len() != len && pick.len() != 1) {
            return Err(error(py, "index arrays of different lengths cannot go together"));
        }
        for pick in &mut self.axes {
            if let Pick::List(indices) = pick
                && let [index] = indices[..]
            {
                *indices = vec![index; len as usize];
            }
        }
        Ok(())
    }

    /// How many indices of each axis are picked.
    pub fn lens(&self) -> Vec<u64> {
        self.axes.iter().map(Pick::len).collect()
    }

    /// The picked items, all from or to one place of a buffer.
    pub fn spread(&self) -> Piece {
        let axis = |pick: &Pick| match pick {
            &Pick::Taken(Taken::Index(start)) => Axis::Strided {
                start,
                step: 1,
                len: 1,
                out_stride: 0,
            },
            &Pick::Taken(Taken::Range { start, step, len }) => Axis::Strided {
                start,
                step,
                len,
                out_stride: 0,
            },
            Pick::List(indices) => Axis::Listed(indices.iter().map(|&index| (index, 0)).collect()),
        };
        Piece {
            axes: self.axes.iter().map(axis).collect(),
            out: 0,
            joint: self.joint,
        }
    }

    /// Where the picked items of a buffer with these strides lie. Arrays that go together make one axis.
    pub fn target(&self, strides: &[isize]) -> Target {
        let mut target = Target {
            axes: Vec::new(),
            start: 0,
        };
        let mut points: Option<usize> = None;
        for (pick, &stride) in self.axes.iter().zip(strides) {
            match pick {
                Pick::Taken(Taken::Index(index)) => target.start += *index as isize * stride,
                &Pick::Taken(Taken::Range { start, step, len }) => {
                    target.start += start as isize * stride;
                    target.axes.push(Places::Even {
                        stride: step as isize * stride,
                        len,
                    });
                }
                Pick::List(indices) => {
                    let offset = |i: usize| indices[i] as isize * stride;
                    match points.filter(|_| self.joint).map(|axis| &mut target.axes[axis]) {
                        Some(Places::Listed(sums)) => (0..).zip(sums).for_each(|(i, sum)| *sum += offset(i)),
                        _ => {
                            points = Some(target.axes.len());
                            target
                                .axes
                                .push(Places::Listed((0..indices.len()).map(offset).collect()));
                        }
                    }
                }
            }
        }
        target
    }

    /// The piece that pairs the picked items with those of a buffer, which lacks the axes `drop_axes` (of one index
    /// each). None where the shapes differ.
    pub fn paired(&self, target: &Target, drop_axes: &[usize]) -> Option<Piece> {
        let mut rest = target.axes.iter();
        let mut next = |len: u64| rest.next().filter(|places| places.len() == len);
        let mut points = false;
        let mut axes = Vec::with_capacity(self.axes.len());
        for (number, pick) in self.axes.iter().enumerate() {
            let dropped = drop_axes.contains(&number) && pick.len() == 1;
            axes.push(match pick {
                &Pick::Taken(Taken::Index(start)) => single(start),
                &Pick::Taken(Taken::Range { start, .. }) if dropped => single(start),
                &Pick::Taken(Taken::Range { start, step, len }) => match next(len)? {
                    &Places::Even { stride, .. } => Axis::Strided {
                        start,
                        step,
                        len,
                        out_stride: stride,
                    },
                    places => Axis::Listed((0..len).map(|i| (start + i * step, places.offset(i))).collect()),
                },
                // Points behind the first, and axes that the buffer lacks, have no places of their own.
                Pick::List(indices) if dropped || (self.joint && points) => {
                    Axis::Listed(indices.iter().map(|&index| (index, 0)).collect())
                }
                Pick::List(indices) => {
                    points = true;
                    let places = next(pick.len())?;
                    Axis::Listed(
                        indices
                            .iter()
                            .zip(0..)
                            .map(|(&index, i)| (index, places.offset(i)))
                            .collect(),
                    )
                }
            });
        }
        // What the buffer has besides is of one index each.
        let left = rest.try_fold(0, |sum, places| (places.len() == 1).then(|| sum + places.offset(0)))?;
        Some(Piece {
            axes,
            out: target.start + left,
            joint: self.joint,
        })
    }
}

fn single(start: u64) -> Axis {
    Axis::Strided {
        start,
        step: 1,
        len: 1,
        out_stride: 0,
    }
}

/// The indices of an array, with the number of its axes; those of a boolean one are where it is true, an array for
/// each of its axes.
fn index_arrays(array: &Bound<'_, PyUntypedArray>) -> PyResult<Vec<(usize, Vec<i64>)>> {
    let indices = |array: &Bound<'_, PyAny>| -> PyResult<(usize, Vec<i64>)> {
        let flat = array.call_method0("ravel")?.call_method1("astype", ("int64",))?;
        Ok((
            array.getattr("ndim")?.extract()?,
            flat.cast::<PyArray1<i64>>()?.to_vec()?,
        ))
    };
    match array.dtype().kind() {
        b'b' => array
            .call_method0("nonzero")?
            .cast::<PyTuple>()?
            .iter()
            .map(|axis| indices(&axis))
            .collect(),
        b'i' | b'u' => Ok(vec![indices(array.as_any())?]),
        _ => Err(error(
            array.py(),
            format!("an index array holds integers or booleans, not {}", array.dtype()),
        )),
    }
}

fn in_bounds(py: Python<'_>, indices: &[i64], len: u64, axis: usize) -> PyResult<Vec<u64>> {
    let inside = |&index: &i64| {
        let found = if index < 0 {
            i128::from(index) + i128::from(len)
        } else {
            i128::from(index)
        };
        u64::try_from(found)
            .ok()
            .filter(|&found| found < len)
            .ok_or_else(|| out_of_bounds(py, index, axis, len))
    };
    indices.iter().map(inside).collect()
}

fn out_of_bounds(py: Python<'_>, index: impl std::fmt::Display, axis: usize, len: u64) -> PyErr {
    error(
        py,
        format!("index {index} is out of bounds for axis {axis} with length {len}"),
    )
}

fn too_many(py: Python<'_>, shape: &[u64], named: usize) -> PyErr {
    error(
        py,
        format!(
            "too many indices: the array has {} axes, the selection {named}",
            shape.len()
        ),
    )
}
