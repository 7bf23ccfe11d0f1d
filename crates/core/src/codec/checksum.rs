//! What the checksum codecs share: the bytes as they are, with 32 bits made of them in front or behind, little-endian.

use std::any::Any;
use std::sync::Arc;

use serde_json::Value;

use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::limits::verify_checksums;
use crate::scratch::Bytes;

const NBYTES: usize = 4;

/// Where the checksum stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
    Start,
    End,
}

impl Location {
    /// The member `location`.
    pub(super) fn parse(document: &Document<'_>, default: Location) -> Result<Self> {
        match document.get("location") {
            None | Some(Value::Null) => Ok(default),
            Some(Value::String(name)) if name == "start" => Ok(Location::Start),
            Some(Value::String(name)) if name == "end" => Ok(Location::End),
            Some(_) => Err(document.invalid("location", "\"start\" or \"end\"")),
        }
    }
}

struct Checksum<F> {
    name: String,
    json: Value,
    location: Location,
    sum: F,
    /// Whether what is computed and what is stored are the same.
    matches: fn(u32, u32) -> bool,
}

/// The stage that computes `sum`.
pub(super) fn stage<F>(document: &Document<'_>, location: Location, sum: F) -> Stage
where
    F: Fn(&[u8]) -> Result<u32> + Send + Sync + 'static,
{
    stage_matching(document, location, sum, |computed, stored| computed == stored)
}

/// The same, for checksums of which there are several forms.
pub(super) fn stage_matching<F>(
    document: &Document<'_>,
    location: Location,
    sum: F,
    matches: fn(u32, u32) -> bool,
) -> Stage
where
    F: Fn(&[u8]) -> Result<u32> + Send + Sync + 'static,
{
    Stage::BytesBytes(Arc::new(Checksum {
        name: document.name.to_owned(),
        json: document.to_json(),
        location,
        sum,
        matches,
    }))
}

/// The codecs whose configuration is `location` alone.
pub(super) fn compile(document: &Document<'_>, default: Location, sum: fn(&[u8]) -> u32) -> Result<Stage> {
    document.only(&["location"])?;
    let location = Location::parse(document, default)?;
    Ok(stage(document, location, move |data| Ok(sum(data))))
}

/// The bytes without their checksum, and that; copies nothing.
fn split(data: Bytes<'_>, location: Location, expect: Expect) -> Result<(Bytes<'_>, u32)> {
    let len = data.len();
    let (stored, from) = match location {
        Location::Start => (data.first_chunk::<NBYTES>(), NBYTES),
        Location::End => (data.last_chunk::<NBYTES>(), 0),
    };
    let Some(&stored) = stored else {
        return Err(Error::truncated(format!("{len} bytes are too few to hold a checksum")));
    };
    let nbytes = len - NBYTES;
    // The length first: it names the fault of a short read better than a checksum does.
    expect.check(nbytes)?;
    Ok((data.slice(from, from + nbytes), u32::from_le_bytes(stored)))
}

impl<F: Fn(&[u8]) -> Result<u32>> Checksum<F> {
    fn strip<'a>(&self, data: Bytes<'a>, expect: Expect, verify: bool) -> Result<Bytes<'a>> {
        let (content, stored) = split(data, self.location, expect)?;
        if verify {
            let computed = (self.sum)(&content)?;
            if !(self.matches)(computed, stored) {
                return Err(Error::checksum(format!(
                    "the checksum is {computed:#010x}, stored is {stored:#010x}"
                )));
            }
        }
        Ok(content)
    }
}

impl<F: Fn(&[u8]) -> Result<u32> + Send + Sync + 'static> Codec for Checksum<F> {
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

impl<F: Fn(&[u8]) -> Result<u32> + Send + Sync + 'static> BytesBytesCodec for Checksum<F> {
    fn encoded_nbytes(&self, nbytes: u64) -> Option<u64> {
        nbytes.checked_add(NBYTES as u64)
    }

    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        nbytes.saturating_add(NBYTES as u64)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let checksum = (self.sum)(&data)?.to_le_bytes();
        match self.location {
            Location::Start => data.with_head(&checksum),
            Location::End => data.with_tail(&checksum),
        }
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        self.strip(data, expect, verify_checksums())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, ramp, roundtrip, spec_of};
    use crate::codec::{adler32, crc32, crc32c, fletcher32, jenkins_lookup3};
    use crate::error::Kind;
    use crate::scratch;
    use crate::spec::ChunkSpec;
    use serde_json::json;

    type Compile = fn(&Document<'_>, &ChunkSpec) -> Result<Stage>;

    /// The codecs that have a `location`, and where it is if nothing is said.
    const LOCATED: [(&str, Compile, Location); 3] = [
        ("numcodecs.adler32", adler32::compile, Location::Start),
        ("numcodecs.crc32", crc32::compile, Location::Start),
        ("numcodecs.crc32c", crc32c::compile_numcodecs, Location::End),
    ];
    const ALL: [(&str, Compile); 6] = [
        ("numcodecs.adler32", adler32::compile),
        ("numcodecs.crc32", crc32::compile),
        ("numcodecs.crc32c", crc32c::compile_numcodecs),
        ("crc32c", crc32c::compile),
        ("numcodecs.fletcher32", fletcher32::compile),
        ("numcodecs.jenkins_lookup3", jenkins_lookup3::compile),
    ];

    fn codec(name: &str, compile: Compile) -> Arc<dyn BytesBytesCodec> {
        compile_bytes_bytes(compile, &json!({"name": name, "configuration": {}}), &spec_of(&[9], 1))
    }

    #[test]
    fn the_place_is_as_told() {
        for (name, compile, default) in LOCATED {
            let absent = codec(name, compile).encode(Bytes::Borrowed(b"123456789")).unwrap();
            for (word, location) in [("start", Location::Start), ("end", Location::End)] {
                let json = json!({"name": name, "configuration": {"location": word}});
                let codec = compile_bytes_bytes(compile, &json, &spec_of(&[9], 1));
                assert_eq!(codec.to_json(), json);
                let encoded = roundtrip(&*codec, b"123456789");
                let content = if location == Location::Start {
                    &encoded[4..]
                } else {
                    &encoded[..9]
                };
                assert_eq!(content, b"123456789", "{name}");
                assert_eq!(encoded == *absent, location == default, "{name}");
            }
            let json = json!({"name": name, "configuration": {"location": "middle"}});
            let error = compile_error(compile, &json, &spec_of(&[9], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains("location"), "{error}");
        }
    }

    #[test]
    fn all_lengths_come_back() {
        for (name, compile) in ALL {
            let codec = codec(name, compile);
            for len in (0..70).chain([1 << 17, (1 << 17) + 1]) {
                let encoded = roundtrip(&*codec, &ramp(len));
                assert_eq!(codec.encoded_nbytes(len as u64), Some(encoded.len() as u64), "{name}");
            }
            assert_eq!(codec.to_json(), json!({"name": name}));
        }
    }

    #[test]
    fn decoding_copies_nothing() {
        for (name, compile) in ALL {
            let codec = codec(name, compile);
            let mut scratch = scratch::take(9).unwrap();
            scratch.copy_from_slice(b"123456789");
            let encoded = codec.encode(scratch.into()).unwrap();
            let range = encoded.as_ptr_range();
            let decoded = codec.decode(encoded, Expect::AtMost(9)).unwrap();
            assert!(range.contains(&decoded.as_ptr()), "{name}");
        }
    }

    #[test]
    fn the_switch_turns_the_comparison_off() {
        for location in [Location::Start, Location::End] {
            let checksum = Checksum {
                name: String::new(),
                json: Value::Null,
                location,
                sum: |_: &[u8]| Ok(7),
                matches: |computed, stored| computed == stored,
            };
            let bytes = || Bytes::Borrowed(b"\0\0\0\0\0\0\0\0");
            assert_eq!(&*checksum.strip(bytes(), Expect::Exactly(4), false).unwrap(), &[0; 4]);
            let error = checksum.strip(bytes(), Expect::Exactly(4), true).err().unwrap();
            assert_eq!(error.kind(), Kind::Checksum);
            assert!(
                error.detail().contains("0x00000007") && error.detail().contains("0x00000000"),
                "{error}"
            );
        }
    }

    #[test]
    fn too_short_and_too_long() {
        for (name, compile) in ALL {
            for (len, expect, kind) in [
                (0, Expect::AtMost(9), Kind::Truncated),
                (3, Expect::AtMost(9), Kind::Truncated),
                (12, Expect::Exactly(9), Kind::Truncated),
                (14, Expect::Exactly(9), Kind::Size),
                (14, Expect::AtMost(9), Kind::Size),
            ] {
                let stored = vec![0; len];
                let found = codec(name, compile).decode(Bytes::Borrowed(&stored), expect);
                assert_eq!(found.err().unwrap().kind(), kind);
            }
        }
    }

    #[test]
    fn no_fault_passes() {
        for (name, compile) in ALL {
            let codec = codec(name, compile);
            let good = codec.encode(Bytes::Borrowed(&hostile::noise(40))).unwrap().to_vec();
            let passed = hostile::torture(&*codec, &good, 40);
            // Zeros sum to 0.
            let zeros_pass = usize::from(name == "numcodecs.fletcher32");
            assert!(passed <= zeros_pass, "{name}: {passed}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        for (name, compile) in ALL {
            let json = json!({"name": name, "configuration": {"level": 1}});
            let error = compile_error(compile, &json, &spec_of(&[9], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains("level"), "{error}");
        }
    }
}
