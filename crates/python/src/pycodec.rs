//! Python codecs as stages of a native chain.
//!
//! A codec that works synchronously is called by the worker that has the chunk; one that must be awaited suspends the
//! chunk's job, and the event loop of the call runs it.

use std::any::Any;
use std::sync::Arc;

use pyo3::prelude::*;
use serde_json::{Value, json};
use zarrpipe_core::codec::{ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Codec, Expect, Partial, Stage};
use zarrpipe_core::error::{Error, Result};
use zarrpipe_core::heap::Heap;
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::spec::ChunkSpec;

use crate::buffer::{self, Owned};
use crate::chain::spec_from_python;
use crate::error::foreign;

/// The name under which a Python codec stands in the JSON that is compiled.
pub const PLACEHOLDER: &str = "zarrpipe:python";

/// A stage object of `zarrpipe.codecs.stage`.
pub struct PyCodec {
    object: Py<PyAny>,
    name: String,
    number: u64,
    suspends: bool,
    /// In front of the codec.
    spec: ChunkSpec,
    /// Behind an array-to-array codec.
    encoded: Option<ChunkSpec>,
    encoded_nbytes: Option<u64>,
    partial: Partial,
}

impl PyCodec {
    /// The stage object.
    pub fn object(&self) -> &Py<PyAny> {
        &self.object
    }

    fn call(&self, method: &str, data: Bytes<'_>) -> Result<Bytes<'static>> {
        let data = data.into_owned()?;
        Python::attach(|py| {
            let argument = Bound::new(py, Owned::new(data)).map_err(foreign)?;
            let answer = self
                .object
                .bind(py)
                .call_method1(method, (argument,))
                .map_err(foreign)?;
            if answer.is_none() {
                return Err(Error::absent("a Python codec gave None"));
            }
            buffer::bytes(&answer).map_err(foreign)
        })
    }

    fn size(&self, nbytes: u64) -> Option<u64> {
        Python::attach(|py| {
            let answer = self.object.bind(py).call_method1("encoded_size", (nbytes,)).ok()?;
            answer.extract::<Option<u64>>().ok().flatten()
        })
    }
}

/// The stage for a placeholder: `{"name": PLACEHOLDER, "configuration": {"stage": i}}` stands for `stages[i]`.
pub fn resolve(stages: &[Py<PyAny>], document: &Value, spec: &ChunkSpec) -> Result<Stage> {
    let name = document
        .get("name")
        .or(Some(document))
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name != PLACEHOLDER {
        return Err(Error::unsupported(format!("codec {name:?} is not known")));
    }
    let number = document.pointer("/configuration/stage").and_then(Value::as_u64);
    let number = number.filter(|&n| n < stages.len() as u64);
    let number = number.ok_or_else(|| Error::metadata(format!("{document} names no Python stage")))?;
    Python::attach(|py| make(py, stages[number as usize].clone_ref(py), number, spec).map_err(foreign))
}

fn make(py: Python<'_>, object: Py<PyAny>, number: u64, spec: &ChunkSpec) -> PyResult<Stage> {
    let stage = object.bind(py);
    let kind: String = stage.getattr("kind")?.extract()?;
    let encoded = stage.getattr("encoded_spec")?;
    let encoded = if encoded.is_none() {
        None
    } else {
        Some(spec_from_python(&encoded)?)
    };
    let mut codec = PyCodec {
        name: stage.getattr("name")?.extract()?,
        suspends: !stage.getattr("is_sync")?.extract::<bool>()?,
        number,
        spec: spec.clone(),
        encoded,
        encoded_nbytes: None,
        partial: Partial::default(),
        object,
    };
    Ok(match kind.as_str() {
        "array_array" => Stage::ArrayArray(Arc::new(codec)),
        "array_bytes" => {
            codec.encoded_nbytes = codec.size(spec.nbytes());
            let (decode, encode) = codec.object.bind(py).getattr("partial")?.extract()?;
            codec.partial = Partial { decode, encode };
            Stage::ArrayBytes(Arc::new(codec))
        }
        _ => Stage::BytesBytes(Arc::new(codec)),
    })
}

/// What a codec of unknown growth may give, for those in front of it: generous, since it is only a guard.
fn guard_nbytes(nbytes: u64) -> u64 {
    nbytes.saturating_mul(4).saturating_add(1 << 20)
}

impl Codec for PyCodec {
    fn name(&self) -> &str {
        &self.name
    }

    fn to_json(&self) -> Value {
        json!({"name": PLACEHOLDER, "configuration": {"stage": self.number}})
    }

    fn suspends(&self) -> bool {
        self.suspends
    }

    fn takes_variable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayArrayCodec for PyCodec {
    fn encoded_spec(&self) -> &ChunkSpec {
        self.encoded.as_ref().unwrap_or(&self.spec)
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        ArrayArrayCodec::encode_with(self, items, &Heap::default())
    }

    fn decode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        ArrayArrayCodec::decode_with(self, items, &Heap::default())
    }

    fn encode_with<'a>(&self, items: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        let (before, behind) = (&self.spec, ArrayArrayCodec::encoded_spec(self));
        let encoded = self.call("encode", before.to_wire(items)?)?;
        behind.from_wire(encoded, behind.items(), heap)
    }

    fn decode_with<'a>(&self, items: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        let (before, behind) = (&self.spec, ArrayArrayCodec::encoded_spec(self));
        let decoded = self.call("decode", behind.to_wire(items)?)?;
        before.from_wire(decoded, before.items(), heap)
    }
}

impl ArrayBytesCodec for PyCodec {
    fn encoded_nbytes(&self) -> Option<u64> {
        self.encoded_nbytes
    }

    fn max_encoded_nbytes(&self) -> u64 {
        match (self.encoded_nbytes, self.spec.layout.variable()) {
            (Some(nbytes), _) => nbytes,
            (None, None) => guard_nbytes(self.spec.nbytes()),
            (None, Some(_)) => u64::MAX,
        }
    }

    fn partial(&self) -> Partial {
        self.partial
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        self.call("encode", self.spec.to_wire(items)?)
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        ArrayBytesCodec::decode_with(self, data, &Heap::default())
    }

    fn decode_with<'a>(&self, data: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        self.spec.from_wire(self.call("decode", data)?, self.spec.items(), heap)
    }
}

impl BytesBytesCodec for PyCodec {
    fn encoded_nbytes(&self, nbytes: u64) -> Option<u64> {
        self.size(nbytes)
    }

    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        self.size(nbytes).unwrap_or_else(|| guard_nbytes(nbytes))
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        self.call("encode", data)
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        let decoded = self.call("decode", data)?;
        expect.check(decoded.len())?;
        Ok(decoded)
    }
}
