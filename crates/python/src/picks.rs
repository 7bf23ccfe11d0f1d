//! The selections of chunks that are named one by one: what is picked of a chunk, paired with what is picked of the
//! caller's array.

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zarrpipe_core::select::{Axis, Piece};

use crate::index::{Pick, Taken, error, indices, kind, places_of_true, refuse_dtype, take, too_many, whole};

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
                let wrong = || error(py, format!("axis {axis}: an index cannot be of type {}", kind(item)));
                axes.push(Pick::Taken(take(item, len, axis)?.ok_or_else(wrong)?));
                continue;
            };
            let arrays = match array.dtype().kind() {
                b'b' => places_of_true(array)?,
                b'i' | b'u' => vec![array.clone()],
                _ => return Err(refuse_dtype(array)),
            };
            for array in arrays {
                let axis = axes.len();
                let len = *shape.get(axis).ok_or_else(|| too_many(py, shape, items.len()))?;
                lists += 1;
                flat += usize::from(array.ndim() == 1);
                axes.push(Pick::List(indices(&array, len, axis)?));
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
            joint: self.joint,
            ..Piece::new(self.axes.iter().map(axis).collect(), 0)
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
            joint: self.joint,
            ..Piece::new(axes, target.start + left)
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
