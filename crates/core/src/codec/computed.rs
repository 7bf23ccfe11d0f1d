//! What codecs share that compute each chunk's items anew: specs, buffers, and what the caller has resolved.

use std::any::Any;
use std::sync::Arc;

use serde_json::Value;

use super::{ArrayArrayCodec, Codec, Document, Expect, Stage};
use crate::dtype::{Kind, Layout, Scalar, SwapRun};
use crate::error::{Error, Result};
use crate::limits::in_memory;
use crate::number::item_bits;
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

/// Items to as many items: buffers are of whole items, in native byte order.
pub trait Compute: Send + Sync + 'static {
    fn encode(&self, items: &[u8], out: &mut [u8]) -> Result<()>;
    fn decode(&self, items: &[u8], out: &mut [u8]) -> Result<()>;
    /// Whether decoding leaves items as they are.
    fn keeps_when_decoding(&self) -> bool {
        false
    }
}

struct Computed<C> {
    name: String,
    json: Value,
    decoded: ChunkSpec,
    encoded: ChunkSpec,
    compute: C,
}

/// The stage of a codec, with what its items and its fill value are when encoded.
pub fn stage(
    document: &Document<'_>,
    spec: &ChunkSpec,
    layout: Layout,
    fill_value: &[u8],
    compute: impl Compute,
) -> Result<Stage> {
    let encoded = ChunkSpec::new(spec.shape.clone(), layout, fill_value)?;
    in_memory(encoded.nbytes())?;
    Ok(Stage::ArrayArray(Arc::new(Computed {
        name: document.name.to_owned(),
        json: document.to_json(),
        decoded: spec.clone(),
        encoded,
        compute,
    })))
}

impl<C: Compute> Codec for Computed<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn to_json(&self) -> Value {
        self.json.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<C: Compute> ArrayArrayCodec for Computed<C> {
    fn encoded_spec(&self) -> &ChunkSpec {
        &self.encoded
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(in_memory(self.decoded.nbytes())?).check(items.len())?;
        let mut out = scratch::take(in_memory(self.encoded.nbytes())?)?;
        self.compute.encode(&items, &mut out)?;
        Ok(out.into())
    }

    fn decode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(in_memory(self.encoded.nbytes())?).check(items.len())?;
        if self.compute.keeps_when_decoding() {
            return Ok(items);
        }
        let mut out = scratch::take(in_memory(self.decoded.nbytes())?)?;
        self.compute.decode(&items, &mut out)?;
        Ok(out.into())
    }
}

/// The data type of a layout, where it is an integer or a float.
pub fn real(document: &Document<'_>, layout: &Layout) -> Result<Scalar> {
    match layout.kind {
        Kind::Real(scalar) if scalar != Scalar::Bool => Ok(scalar),
        kind => Err(Error::metadata(format!(
            "{} is for integers and floats, not for {}",
            document.name,
            kind.name()
        ))),
    }
}

/// The layout that the caller has resolved: `["int16", 2, [[0, 2, 1]]]`, kind, bytes of an item and its runs to swap.
pub fn bound_layout(document: &Document<'_>, key: &str) -> Result<Layout> {
    let layout = document.bound(key).and_then(parse_layout);
    layout.unwrap_or_else(|| Err(unbound(document, key)))
}

fn parse_layout(json: &Value) -> Option<Result<Layout>> {
    let [kind, item_nbytes, runs] = json.as_array()?.as_slice() else {
        return None;
    };
    let size = |json: &Value| usize::try_from(json.as_u64()?).ok();
    let run = |json: &Value| {
        let [offset, nbytes, count] = json.as_array()?.as_slice() else {
            return None;
        };
        Some(SwapRun {
            offset: size(offset)?,
            nbytes: size(nbytes)?,
            count: size(count)?,
        })
    };
    let runs: Option<Vec<SwapRun>> = runs.as_array()?.iter().map(run).collect();
    Some(Layout::new(Kind::parse(kind.as_str()?)?, size(item_nbytes)?, runs?))
}

/// The bits of an item of a data type, from the hexadecimal digits of its bytes.
pub fn parse_item(json: &Value, scalar: Scalar) -> Option<u64> {
    let digits = json.as_str().filter(|digits| digits.len() == 2 * scalar.nbytes())?;
    let byte = |at: usize| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..scalar.nbytes()).map(byte).collect();
    Some(item_bits(&bytes?))
}

/// The same for a value that the caller has resolved.
pub fn bound_item(document: &Document<'_>, key: &str, scalar: Scalar) -> Result<u64> {
    let item = document.bound(key).and_then(|json| parse_item(json, scalar));
    item.ok_or_else(|| unbound(document, key))
}

/// Whether there is no fill value yet, so that none can be wrong.
pub fn is_unfilled(document: &Document<'_>) -> bool {
    document.bound("unfilled") == Some(&Value::Bool(true))
}

fn unbound(document: &Document<'_>, key: &str) -> Error {
    Error::internal(format!("{}: {key:?} has not been resolved", document.name))
}

/// For codecs that have no code for a data type.
pub fn unsupported(document: &Document<'_>, layout: &Layout) -> Error {
    Error::metadata(format!("{} is not for {}", document.name, layout.kind.name()))
}
