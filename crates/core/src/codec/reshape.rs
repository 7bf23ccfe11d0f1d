//! `reshape`: the same items in the same order, as a chunk of another shape.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/reshape>
//!
//! Names: `reshape`.
//!
//! ```json
//! {"name": "reshape", "configuration": {"shape": [[0, 1], 10, -1]}}
//! ```
//!
//! Each entry is the length of an axis: as a number, as a list of axes of the chunk whose lengths are multiplied, or -1
//! for what is left. Items stay where they are, so neither direction copies.

use std::any::Any;
use std::sync::Arc;

use serde_json::Value;

use super::{ArrayArrayCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::limits::checked_product;
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

/// Any array-to-array codec that only gives the chunk another shape.
pub(super) struct Reshape {
    json: Value,
    name: String,
    nbytes: usize,
    encoded: ChunkSpec,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["shape"])?;
    let entries = parse_shape(document)?;
    let shape = resolve(&entries, &spec.shape)?;
    stage(document, spec, shape)
}

/// The stage that makes `shape`, which has as many items, of the chunk's.
pub(super) fn stage(document: &Document<'_>, spec: &ChunkSpec, shape: Vec<u64>) -> Result<Stage> {
    let nbytes = usize::try_from(spec.nbytes()).map_err(|_| Error::memory(spec.nbytes()))?;
    Ok(Stage::ArrayArray(Arc::new(Reshape {
        json: document.to_json(),
        name: document.name.to_owned(),
        nbytes,
        encoded: spec.with_shape(shape)?,
    })))
}

enum Entry {
    Size(u64),
    Axes(Vec<usize>),
    Rest,
}

fn parse_shape(document: &Document<'_>) -> Result<Vec<Entry>> {
    let invalid = || {
        document.invalid(
            "shape",
            "a list of positive integers, lists of axes, and at most one -1",
        )
    };
    let list = document.get("shape").and_then(Value::as_array).ok_or_else(invalid)?;
    let entries: Option<Vec<Entry>> = list.iter().map(parse_entry).collect();
    let entries = entries.ok_or_else(invalid)?;
    if entries.iter().filter(|entry| matches!(entry, Entry::Rest)).count() > 1 {
        return Err(invalid());
    }
    Ok(entries)
}

fn parse_entry(json: &Value) -> Option<Entry> {
    match json {
        Value::Array(axes) => {
            let axis = |axis: &Value| axis.as_u64().and_then(|n| usize::try_from(n).ok());
            axes.iter().map(axis).collect::<Option<_>>().map(Entry::Axes)
        }
        _ if json.as_i64() == Some(-1) => Some(Entry::Rest),
        _ => json.as_u64().filter(|&size| size > 0).map(Entry::Size),
    }
}

/// The shape that the entries make of a chunk of shape `from`.
fn resolve(entries: &[Entry], from: &[u64]) -> Result<Vec<u64>> {
    check_axes(entries, from.len())?;
    let size = |entry: &Entry| match entry {
        Entry::Size(size) => Ok(*size),
        Entry::Axes(axes) => Ok(axes.iter().map(|&axis| from[axis]).product()),
        Entry::Rest => Ok(1),
    };
    let mut shape = entries.iter().map(size).collect::<Result<Vec<u64>>>()?;
    let total: u64 = from.iter().product();
    let known = checked_product(1, &shape)?;
    if let Some(rest) = entries.iter().position(|entry| matches!(entry, Entry::Rest)) {
        shape[rest] = total.checked_div(known).unwrap_or(0);
    }
    if checked_product(1, &shape)? != total {
        return Err(Error::metadata(format!(
            "\"shape\" makes {shape:?} of a chunk of shape {from:?}, which has another number of items"
        )));
    }
    check_places(entries, &shape, from)?;
    Ok(shape)
}

/// Axes come in order, each once, over all entries.
fn check_axes(entries: &[Entry], rank: usize) -> Result<()> {
    let axes: Vec<usize> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Axes(axes) => Some(axes),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    if axes.is_sorted_by(|a, b| a < b) && axes.iter().all(|&axis| axis < rank) {
        return Ok(());
    }
    Err(Error::metadata(format!(
        "\"shape\" must name axes from 0 to below {rank} in ascending order, not {axes:?}"
    )))
}

/// An axis made of axes of the chunk must run over them as the chunk does: with as many items in front and behind.
fn check_places(entries: &[Entry], shape: &[u64], from: &[u64]) -> Result<()> {
    for (i, entry) in entries.iter().enumerate() {
        let Entry::Axes(axes) = entry else { continue };
        let (Some(&first), Some(&last)) = (axes.first(), axes.last()) else {
            continue;
        };
        let product = |shape: &[u64]| shape.iter().product::<u64>();
        if product(&shape[..i]) != product(&from[..first]) || product(&shape[i + 1..]) != product(&from[last + 1..]) {
            return Err(Error::metadata(format!(
                "\"shape\": axis {i} of {shape:?} does not run over the axes {axes:?} of a chunk of shape {from:?}"
            )));
        }
    }
    Ok(())
}

impl Codec for Reshape {
    fn name(&self) -> &str {
        &self.name
    }

    fn to_json(&self) -> Value {
        self.json.clone()
    }

    fn takes_variable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayArrayCodec for Reshape {
    fn encoded_spec(&self) -> &ChunkSpec {
        &self.encoded
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.nbytes).check(items.len()).map(|()| items)
    }

    fn decode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.nbytes).check(items.len()).map(|()| items)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::hostile::{compile_error, noise, spec_of};
    use crate::error::Kind;

    fn codec(shape: &Value, from: &[u64]) -> Arc<dyn ArrayArrayCodec> {
        let json = json!({"name": "reshape", "configuration": {"shape": shape}});
        match compile(&Document::parse(&json).unwrap(), &spec_of(from, 4)).unwrap() {
            Stage::ArrayArray(codec) => codec,
            _ => unreachable!(),
        }
    }

    #[test]
    fn shapes() {
        let from = [100, 50, 64, 3];
        for (shape, want) in [
            (json!([[0, 1], [2], 3]), vec![5000, 64, 3]),
            (json!([[0], [1], [2], [3]]), vec![100, 50, 64, 3]),
            (json!([-1]), vec![960_000]),
            (json!([[0, 1], -1]), vec![5000, 192]),
            (json!([10, -1, [2, 3]]), vec![10, 500, 192]),
            (json!([10, 10, [1], [2], 3]), vec![10, 10, 50, 64, 3]),
            (json!([[], [0, 1, 2, 3], 1]), vec![1, 960_000, 1]),
        ] {
            assert_eq!(codec(&shape, &from).encoded_spec().shape, want, "{shape}");
        }
        // An axis of one item may be left out.
        assert_eq!(codec(&json!([[0, 2]]), &[4, 1, 3]).encoded_spec().shape, [12]);
        assert_eq!(codec(&json!([1, -1]), &[]).encoded_spec().shape, [1, 1]);
        assert!(codec(&json!([]), &[1, 1]).encoded_spec().shape.is_empty());
    }

    #[test]
    fn nothing_is_copied() {
        let items = noise(24);
        let codec = codec(&json!([[0, 1]]), &[2, 3]);
        assert_eq!(codec.encode(Bytes::Borrowed(&items)).unwrap().as_ptr(), items.as_ptr());
        assert_eq!(codec.decode(Bytes::Borrowed(&items)).unwrap().as_ptr(), items.as_ptr());
        assert_eq!(
            codec.decode(Bytes::Borrowed(&items[1..])).err().unwrap().kind(),
            Kind::Truncated
        );
        assert_eq!(
            codec.encode(Bytes::Borrowed(&[0; 25])).err().unwrap().kind(),
            Kind::Size
        );
        assert_eq!(
            codec.to_json(),
            json!({"name": "reshape", "configuration": {"shape": [[0, 1]]}})
        );
    }

    #[test]
    fn wrong_shapes_name_the_member() {
        for (from, shape) in [
            (&[4, 6][..], json!(null)),
            (&[4, 6], json!(24)),
            (&[4, 6], json!([0, -1])),
            (&[4, 6], json!([-2])),
            (&[4, 6], json!([2.0, 12])),
            (&[4, 6], json!([true, 24])),
            (&[4, 6], json!([-1, -1])),
            (&[4, 6], json!([5, -1])),
            (&[4, 6], json!([4, 5])),
            (&[4, 6], json!([[0, -1]])),
            (&[4, 6], json!([[0, 2]])),
            (&[4, 6], json!([[1], [0]])),
            (&[4, 6], json!([[1, 0]])),
            (&[4, 6], json!([[0], [0]])),
            (&[4, 6], json!([[1], 4])),
            (&[4, 4], json!([[1], -1])),
            (&[4, 2, 3], json!([[0, 2], 2])),
        ] {
            let json = json!({"name": "reshape", "configuration": {"shape": shape}});
            let error = compile_error(compile, &json, &spec_of(from, 4));
            assert_eq!(error.kind(), Kind::Metadata, "{shape}");
            assert!(error.detail().contains("\"shape\""), "{error}");
        }
        let json = json!({"name": "reshape", "configuration": {"shape": [u64::MAX, u64::MAX]}});
        assert_eq!(compile_error(compile, &json, &spec_of(&[4], 4)).kind(), Kind::Limit);
        assert_eq!(
            compile_error(compile, &json!("reshape"), &spec_of(&[4], 4)).kind(),
            Kind::Metadata
        );
    }
}
