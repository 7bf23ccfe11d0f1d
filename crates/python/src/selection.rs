//! What users write between the brackets of an array and of its `oindex`, `vindex` and `blocks`, parsed once.
//!
//! What is allowed, and what it means, is what zarr-python has made of NumPy's rules.

use numpy::PyArrayDescr;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyEllipsis, PyInt, PyList, PySlice, PyString, PyTuple};
use zarrpipe_core::grid::Grid;
use zarrpipe_core::select::{Axis, Piece};

use crate::fields::Fields;
use crate::index::{Pick, Taken, error};
use crate::rules;

/// By which rules a selection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those of brackets after an array: a basic one, or else points, a mask, or one array among slices and integers.
    Any,
    /// Integers, slices and Ellipsis.
    Basic,
    /// These, and arrays that each select along their own axis.
    Orthogonal,
    /// Coordinates or a mask.
    Vectorized,
    /// An array of integers for each axis, which go together.
    Coordinate,
    /// A boolean array of the array's shape.
    Mask,
    /// Integers, slices and Ellipsis over the chunk grid.
    Block,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Kind {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(match object.extract::<&str>()? {
            "any" => Kind::Any,
            "basic" => Kind::Basic,
            "orthogonal" => Kind::Orthogonal,
            "vectorized" => Kind::Vectorized,
            "coordinate" => Kind::Coordinate,
            "mask" => Kind::Mask,
            "block" => Kind::Block,
            other => return Err(PyValueError::new_err(format!("no kind of selection {other:?}"))),
        })
    }
}

/// A parsed selection.
pub struct Selection {
    picked: Picked,
    fields: Option<Fields>,
}

pub enum Picked {
    /// What is picked of each axis goes with all that is picked of the others.
    Product(Vec<Pick>),
    /// Single items: their indices along each axis. `shape` is the result's.
    Points { axes: Vec<Vec<u64>>, shape: Vec<u64> },
}

impl Selection {
    /// `fields` names fields of a structured data type where strings in the selection do not.
    pub fn parse(
        selection: &Bound<'_, PyAny>,
        kind: Kind,
        fields: Option<&Bound<'_, PyAny>>,
        grid: &Grid,
        dtype: &Bound<'_, PyArrayDescr>,
        writing: bool,
    ) -> PyResult<Self> {
        let py = selection.py();
        let mut items: Vec<Bound<'_, PyAny>> = match selection.cast::<PyTuple>() {
            Ok(tuple) => tuple.iter_borrowed().map(|item| item.to_owned()).collect(),
            Err(_) => vec![selection.clone()],
        };
        let simple = items.iter().all(is_simple);
        let named = if simple { None } else { pop_names(&mut items)? };
        if named.is_some() && fields.is_some() {
            return Err(error(py, "fields are named twice: in the selection, and by fields="));
        }
        let fields = match named.as_ref().or(fields) {
            Some(names) => Fields::parse(names, dtype, writing)?,
            None => None,
        };
        let shape = grid.shape();
        let picked = match kind {
            Kind::Any if !simple => rules::any(py, &items, shape)?,
            Kind::Any | Kind::Basic => rules::basic(py, &items, shape)?,
            Kind::Orthogonal => rules::orthogonal(py, &items, shape)?,
            Kind::Vectorized => rules::vectorized(py, &items, shape)?,
            Kind::Coordinate => rules::coordinates(py, &items, shape)?,
            Kind::Mask => rules::mask(py, &items, shape)?,
            Kind::Block => rules::blocks(py, &items, grid)?,
        };
        Ok(Selection { picked, fields })
    }

    /// The shape of the result.
    pub fn shape(&self) -> Vec<u64> {
        let len = |pick: &Pick| match pick {
            Pick::Taken(Taken::Index(_)) => None,
            pick => Some(pick.len()),
        };
        match &self.picked {
            Picked::Product(picks) => picks.iter().filter_map(len).collect(),
            Picked::Points { shape, .. } => shape.clone(),
        }
    }

    /// Whether it is of single items, in the shape of the coordinates.
    pub fn is_points(&self) -> bool {
        matches!(self.picked, Picked::Points { .. })
    }

    /// Whether there are so many listed indices that sorting them takes its time.
    pub fn is_long(&self) -> bool {
        const LONG: usize = 10_000;
        match &self.picked {
            Picked::Product(picks) => picks
                .iter()
                .any(|pick| matches!(pick, Pick::List(indices) if indices.len() > LONG)),
            Picked::Points { axes, .. } => axes[0].len() > LONG,
        }
    }

    /// The data type of the result; `own` is the array's.
    pub fn dtype<'a, 'py>(&'a self, own: &'a Bound<'py, PyArrayDescr>) -> &'a Bound<'py, PyArrayDescr> {
        self.fields.as_ref().map_or(own, |fields| fields.dtype.bind(own.py()))
    }

    /// The piece over a buffer with these strides, one for each axis of the result; none at all for a single value
    /// that goes everywhere.
    pub fn piece(&self, strides: &[isize]) -> Piece {
        let mut piece = match &self.picked {
            Picked::Product(picks) => {
                let mut strides = strides.iter();
                Piece::new(picks.iter().map(|pick| axis(pick, &mut strides)).collect(), 0)
            }
            Picked::Points { axes, shape } => points(axes, shape, strides),
        };
        piece.windows = self.fields.as_ref().map(|fields| fields.windows.clone());
        piece
    }
}

fn axis(pick: &Pick, strides: &mut std::slice::Iter<'_, isize>) -> Axis {
    if let &Pick::Taken(Taken::Index(start)) = pick {
        return Axis::Strided {
            start,
            step: 1,
            len: 1,
            out_stride: 0,
        };
    }
    let out_stride = strides.next().copied().unwrap_or(0);
    match pick {
        &Pick::Taken(Taken::Index(_)) => Axis::Listed([].into()),
        &Pick::Taken(Taken::Range { start, step, len }) => Axis::Strided {
            start,
            step,
            len,
            out_stride,
        },
        Pick::List(indices) => Axis::Listed(indices.iter().zip(0..).map(|(&i, n)| (i, n * out_stride)).collect()),
    }
}

/// The first axis holds the places in the buffer, since those of all are added.
fn points(axes: &[Vec<u64>], shape: &[u64], strides: &[isize]) -> Piece {
    let places = if strides.is_empty() {
        vec![0; axes[0].len()]
    } else {
        offsets(shape, strides)
    };
    let listed = |(number, indices): (usize, &Vec<u64>)| {
        let out = |point: usize| if number == 0 { places[point] } else { 0 };
        Axis::Listed(
            indices
                .iter()
                .enumerate()
                .map(|(point, &index)| (index, out(point)))
                .collect(),
        )
    };
    Piece {
        joint: true,
        ..Piece::new(axes.iter().enumerate().map(listed).collect(), 0)
    }
}

/// The offset of each index of a box, in C order.
pub fn offsets(shape: &[u64], strides: &[isize]) -> Vec<isize> {
    let mut offsets = vec![0];
    for (&n, &stride) in shape.iter().zip(strides) {
        let row = |offset: &isize| {
            let offset = *offset;
            (0..n as isize).map(move |i| offset + i * stride)
        };
        offsets = offsets.iter().flat_map(row).collect();
    }
    offsets
}

/// What most selections are made of: it is basic, and names no field.
fn is_simple(item: &Bound<'_, PyAny>) -> bool {
    item.is_exact_instance_of::<PyInt>()
        || item.is_exact_instance_of::<PySlice>()
        || item.is_instance_of::<PyEllipsis>()
}

/// Takes the names of fields out of a selection: strings among its items, or a list of them.
fn pop_names<'py>(items: &mut Vec<Bound<'py, PyAny>>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let is_name = |item: &Bound<'_, PyAny>| item.is_instance_of::<PyString>();
    let is_names = |item: &Bound<'_, PyAny>| {
        item.cast::<PyList>()
            .is_ok_and(|list| !list.is_empty() && list.iter().all(|item| is_name(&item)))
    };
    if let Some(at) = items.iter().position(is_names) {
        let names = items.remove(at);
        return Ok(Some(names));
    }
    if !items.iter().any(is_name) {
        return Ok(None);
    }
    let (mut names, rest): (Vec<_>, Vec<_>) = std::mem::take(items).into_iter().partition(is_name);
    *items = rest;
    match (names.pop(), &names[..]) {
        (Some(name), []) => Ok(Some(name)),
        (last, _) => {
            names.extend(last);
            let py = names[0].py();
            Ok(Some(PyList::new(py, names)?.into_any()))
        }
    }
}
