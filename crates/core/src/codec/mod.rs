//! The three kinds of codec, and how a codec's document is read.
//!
//! To add a codec: write `codec/<spec name>.rs` with a type that implements one of the traits and a `compile`
//! function, and list the names that it answers to in `table.rs`.

pub mod adler32;
pub mod astype;
pub mod bitround;
pub mod blosc;
pub mod bytes;
pub mod bz2;
pub mod cast_value;
mod checksum;
mod computed;
pub mod conditional;
mod context;
pub mod crc32;
pub mod crc32c;
mod deflate;
pub mod delta;
mod filter;
pub mod fixedscaleoffset;
pub mod fletcher32;
pub mod gzip;
#[cfg(test)]
mod hostile;
pub mod jenkins_lookup3;
pub mod lz4;
pub mod lzma;
pub mod n5_default;
pub mod n5_lz4;
pub mod numcodecs_packbits;
mod output;
pub mod packbits;
pub mod pcodec;
pub mod quantize;
pub mod reshape;
pub mod scale_offset;
pub mod sharding_indexed;
pub mod shuffle;
pub mod squeeze;
mod stream;
mod table;
pub mod transpose;
pub mod vlen;
pub mod zarrs_vlen;
pub mod zlib;
pub mod zstd;

pub use table::{BUILT_IN, compile};

use std::any::Any;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::heap::Heap;
pub use crate::limits::Expect;
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

/// What every codec answers. Specs are fixed when it is compiled, so no call is given one.
pub trait Codec: Send + Sync {
    /// The name for errors.
    fn name(&self) -> &str;
    /// The codec's document with all that the chunk's spec determines filled in.
    fn to_json(&self) -> Value;
    /// Whether the engine must suspend and ask: such a codec's `encode` and `decode` are never called.
    fn suspends(&self) -> bool {
        false
    }
    /// Whether items may be of variable length: for codecs that take items.
    fn takes_variable(&self) -> bool {
        false
    }
    /// For the owner of foreign codecs to find its own type again.
    fn as_any(&self) -> &dyn Any;
}

/// Items to items. Buffers are items in C order and native byte order, of the spec's size.
pub trait ArrayArrayCodec: Codec {
    /// What the chunk is behind this codec.
    fn encoded_spec(&self) -> &ChunkSpec;
    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>>;
    fn decode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>>;
    /// `encode` where it makes items of variable length: `heap` keeps what they hold.
    fn encode_with<'a>(&self, items: Bytes<'a>, _heap: &Heap) -> Result<Bytes<'a>> {
        self.encode(items)
    }
    /// `decode` where it makes items of variable length: `heap` keeps what they hold.
    fn decode_with<'a>(&self, items: Bytes<'a>, _heap: &Heap) -> Result<Bytes<'a>> {
        self.decode(items)
    }
    /// The order of axes where that is all it does: the copy kernel then does the work.
    fn permutation(&self) -> Option<&[usize]> {
        None
    }
}

/// Items to bytes.
pub trait ArrayBytesCodec: Codec {
    /// The encoded size where it is the same for every chunk.
    fn encoded_nbytes(&self) -> Option<u64>;
    /// An upper bound of the encoded size, for what decoders in front of it may give.
    fn max_encoded_nbytes(&self) -> u64;
    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>>;
    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>>;
    /// `decode` to items of variable length: `heap` keeps what they hold, or `data` does where it is borrowed.
    fn decode_with<'a>(&self, data: Bytes<'a>, _heap: &Heap) -> Result<Bytes<'a>> {
        self.decode(data)
    }
    /// Whether the encoded form is the items themselves: `Some(swap)` says whether each is byte-swapped.
    fn plain(&self) -> Option<bool> {
        None
    }
    fn sharding(&self) -> Option<&sharding_indexed::Sharding> {
        None
    }
    /// Whether the codec itself reads and writes parts of a key's value; it must then be awaited for that.
    fn partial(&self) -> Partial {
        Partial::default()
    }
}

/// Which parts of a key's value a codec deals with by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    pub decode: bool,
    pub encode: bool,
}

/// Bytes to bytes.
pub trait BytesBytesCodec: Codec {
    /// The encoded size of `nbytes` where it does not depend on what they are.
    fn encoded_nbytes(&self, _nbytes: u64) -> Option<u64> {
        None
    }
    /// An upper bound of what `nbytes` encode to (of any encoder: streams written by others count).
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64;
    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>>;
    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>>;
    /// The first `nbytes` of the decoded bytes, where stopping there is possible and leaves nothing unverified.
    fn decode_prefix(&self, _data: &[u8], _nbytes: usize, _expect: Expect) -> Result<Option<Bytes<'static>>> {
        Ok(None)
    }
}

/// A compiled codec.
#[derive(Clone)]
pub enum Stage {
    ArrayArray(Arc<dyn ArrayArrayCodec>),
    ArrayBytes(Arc<dyn ArrayBytesCodec>),
    BytesBytes(Arc<dyn BytesBytesCodec>),
}

impl Stage {
    pub fn codec(&self) -> &dyn Codec {
        match self {
            Stage::ArrayArray(codec) => &**codec,
            Stage::ArrayBytes(codec) => &**codec,
            Stage::BytesBytes(codec) => &**codec,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Stage::ArrayArray(_) => "array_array",
            Stage::ArrayBytes(_) => "array_bytes",
            Stage::BytesBytes(_) => "bytes_bytes",
        }
    }
}

/// Makes the stage of a document that is no built-in codec's (a Python codec, say).
pub type Resolve<'r> = &'r dyn Fn(&Value, &ChunkSpec) -> Result<Stage>;

/// How the names of members begin that are no part of the metadata: see `Document::bound`.
const BOUND: &str = "zarrpipe:";

/// A codec's document, taken apart: `name` and the members of `configuration`.
pub struct Document<'d> {
    pub name: &'d str,
    pub configuration: Option<&'d Map<String, Value>>,
}

impl<'d> Document<'d> {
    pub fn parse(json: &'d Value) -> Result<Self> {
        if let Value::String(name) = json {
            return Ok(Document {
                name,
                configuration: None,
            });
        }
        let object = json
            .as_object()
            .ok_or_else(|| Error::metadata("a codec is a string or an object"))?;
        let name = object
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| Error::metadata("a codec's \"name\" must be a string"))?;
        if let Some(key) = object
            .keys()
            .find(|k| !matches!(k.as_str(), "name" | "configuration" | "must_understand"))
        {
            return Err(Error::metadata(format!("unknown member {key:?}")));
        }
        match object.get("configuration") {
            None => Ok(Document {
                name,
                configuration: None,
            }),
            Some(Value::Object(map)) => Ok(Document {
                name,
                configuration: Some(map),
            }),
            Some(_) => Err(Error::metadata("\"configuration\" must be an object")),
        }
    }

    /// The member `key` of the configuration.
    pub fn get(&self, key: &str) -> Option<&'d Value> {
        self.configuration.and_then(|map| map.get(key))
    }

    /// An error that names the member, and the place where it is or should be.
    pub fn invalid(&self, key: &str, expected: &str) -> Error {
        match self.get(key) {
            Some(found) => {
                let error = Error::metadata(format!("{key:?} must be {expected}, not {found}"));
                error.under(&format!("/configuration/{key}"))
            }
            None => {
                let error = Error::metadata(format!("{key:?} is missing; it must be {expected}"));
                error.under(self.configuration.map_or("", |_| "/configuration"))
            }
        }
    }

    /// What the caller resolved and put beside the configuration's own members, such as the layout of a data type
    /// that it names: `BOUND` and `key`.
    pub fn bound(&self, key: &str) -> Option<&'d Value> {
        self.configuration
            .and_then(|map| map.iter().find(|(k, _)| k.strip_prefix(BOUND) == Some(key)))
            .map(|(_, value)| value)
    }

    /// The document as it stands in metadata: without what is bound.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("name".to_owned(), self.name.into());
        if let Some(map) = self.configuration {
            let own = map.iter().filter(|(key, _)| !key.starts_with(BOUND));
            let own: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
            if !own.is_empty() {
                json.insert("configuration".to_owned(), own.into());
            }
        }
        json.into()
    }

    /// Refuses members that the codec does not have.
    pub fn only(&self, keys: &[&str]) -> Result<()> {
        let unknown = |key: &&String| !keys.contains(&key.as_str()) && !key.starts_with(BOUND);
        match self.configuration.and_then(|map| map.keys().find(unknown)) {
            Some(key) => {
                let error = Error::metadata(format!("unknown configuration member {key:?}"));
                let step = key.replace('~', "~0").replace('/', "~1");
                Err(error.under(&format!("/configuration/{step}")))
            }
            None => Ok(()),
        }
    }

    /// The integer `key` within `min..=max`; `default` where absent (an error where there is none).
    pub fn integer(&self, key: &str, min: i64, max: i64, default: Option<i64>) -> Result<i64> {
        let found = match self.get(key) {
            None => default,
            Some(value) => value.as_i64(),
        };
        found
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| self.invalid(key, &format!("an integer from {min} to {max}")))
    }
}
