//! Fields of a structured data type: which bytes of each item are selected, and the data type that they make.

use std::sync::Arc;

use numpy::{PyArrayDescr, PyArrayDescrMethods};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use zarrpipe_core::select::Window;

use crate::index::{error, kind};

/// The fields that a selection names.
pub struct Fields {
    pub dtype: Py<PyArrayDescr>,
    pub windows: Arc<[Window]>,
}

impl Fields {
    /// One field by its name, several (which make a structured data type, packed) by a list or a tuple of names; None
    /// where none is named: all of each item is meant. To write, a list names one field, and means that one.
    pub fn parse(names: &Bound<'_, PyAny>, dtype: &Bound<'_, PyArrayDescr>, writing: bool) -> PyResult<Option<Self>> {
        let py = names.py();
        if names
            .cast::<PyString>()
            .is_ok_and(|name| name.len().is_ok_and(|len| len > 0))
        {
            return Self::one(names, dtype).map(Some);
        }
        if !names.is_instance_of::<PyList>()
            && !names.is_instance_of::<PyTuple>()
            && !names.is_instance_of::<PyString>()
        {
            let message = format!(
                "fields are named by a string or a list of strings, not by {}",
                kind(names)
            );
            return Err(error(py, message));
        }
        let names: Vec<Bound<'_, PyAny>> = names.try_iter()?.collect::<PyResult<_>>()?;
        match &names[..] {
            [] => Ok(None),
            [name] if writing => Self::one(name, dtype).map(Some),
            _ if writing => Err(error(py, "only one field can be written at a time")),
            _ => Self::several(py, &names, dtype).map(Some),
        }
    }

    fn one(name: &Bound<'_, PyAny>, dtype: &Bound<'_, PyArrayDescr>) -> PyResult<Self> {
        let (field, offset) = find(name, dtype)?;
        let window = Window {
            item: offset,
            out: 0,
            nbytes: field.itemsize(),
        };
        Ok(Fields {
            dtype: field.unbind(),
            windows: [window].into(),
        })
    }

    fn several(py: Python<'_>, names: &[Bound<'_, PyAny>], dtype: &Bound<'_, PyArrayDescr>) -> PyResult<Self> {
        let (members, mut windows) = (PyList::empty(py), Vec::with_capacity(names.len()));
        let mut out = 0;
        for name in names {
            let (field, offset) = find(name, dtype)?;
            let nbytes = field.itemsize();
            windows.push(Window {
                item: offset,
                out,
                nbytes,
            });
            out += nbytes;
            members.append((name, field))?;
        }
        let packed = py.import("numpy")?.call_method1("dtype", (members,));
        let packed = packed.map_err(|cause| error(py, format!("fields: {}", cause.value(py))))?;
        Ok(Fields {
            dtype: packed.cast_into::<PyArrayDescr>()?.unbind(),
            windows: windows.into(),
        })
    }
}

/// The data type of a field, and where in an item it begins.
fn find<'py>(
    name: &Bound<'py, PyAny>,
    dtype: &Bound<'py, PyArrayDescr>,
) -> PyResult<(Bound<'py, PyArrayDescr>, usize)> {
    let py = name.py();
    let fields = dtype.getattr("fields")?;
    if fields.is_none() {
        return Err(error(py, format!("the data type {dtype} has no fields")));
    }
    let missing = |_| error(py, format!("the data type {dtype} has no field {name:?}"));
    let field = fields.get_item(name).map_err(missing)?;
    let descr = field.get_item(0)?.cast_into::<PyArrayDescr>()?;
    if descr.has_subarray() {
        return Err(error(
            py,
            format!("the field {name:?} is an array: select it from the items"),
        ));
    }
    Ok((descr, field.get_item(1)?.extract()?))
}
