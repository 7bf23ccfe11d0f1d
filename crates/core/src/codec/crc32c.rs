//! `crc32c`: the bytes as they are, with their CRC-32C (Castagnoli) behind them as four bytes, little-endian.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/crc32c/index.html>
//!
//! Names: `crc32c`.
//!
//! ```json
//! {"name": "crc32c"}
//! ```
//!
//! There is no configuration; an empty one is accepted.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::limits::verify_checksums;
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

const CHECKSUM_NBYTES: usize = 4;

struct Crc32c;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    Ok(Stage::BytesBytes(Arc::new(Crc32c)))
}

/// The bytes without their checksum; copies nothing.
fn strip(data: Bytes<'_>, expect: Expect, verify: bool) -> Result<Bytes<'_>> {
    let Some((content, &stored)) = data.split_last_chunk::<CHECKSUM_NBYTES>() else {
        return Err(Error::truncated(format!(
            "{} bytes are too few to hold a checksum",
            data.len()
        )));
    };
    let nbytes = content.len();
    // The length first: it names the fault of a short read better than a checksum does.
    expect.check(nbytes)?;
    if verify {
        compare(content, u32::from_le_bytes(stored))?;
    }
    Ok(data.slice(0, nbytes))
}

fn compare(data: &[u8], stored: u32) -> Result<()> {
    let computed = crc32c::crc32c(data);
    if computed != stored {
        return Err(Error::checksum(format!(
            "the checksum is {computed:#010x}, stored is {stored:#010x}"
        )));
    }
    Ok(())
}

impl Codec for Crc32c {
    fn name(&self) -> &str {
        "crc32c"
    }

    fn to_json(&self) -> Value {
        json!({"name": "crc32c"})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Crc32c {
    fn encoded_nbytes(&self, nbytes: u64) -> Option<u64> {
        nbytes.checked_add(CHECKSUM_NBYTES as u64)
    }

    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        nbytes.saturating_add(CHECKSUM_NBYTES as u64)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let checksum = crc32c::crc32c(&data);
        data.with_tail(&checksum.to_le_bytes())
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        strip(data, expect, verify_checksums())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, spec_of};
    use crate::error::Kind;
    use crate::scratch;

    fn codec() -> Arc<dyn BytesBytesCodec> {
        compile_bytes_bytes(
            compile,
            &json!({"name": "crc32c", "configuration": {}}),
            &spec_of(&[9], 1),
        )
    }

    #[test]
    fn the_check_value_of_the_algorithm() {
        let encoded = codec().encode(Bytes::Borrowed(b"123456789")).unwrap();
        assert_eq!(&*encoded, b"123456789\x83\x92\x06\xe3");
        assert_eq!(&*codec().decode(encoded, Expect::Exactly(9)).unwrap(), b"123456789");
        assert_eq!(codec().encoded_nbytes(9), Some(13));
        assert_eq!(codec().to_json(), json!({"name": "crc32c"}));
    }

    #[test]
    fn decoding_copies_nothing() {
        let mut scratch = scratch::take(9).unwrap();
        scratch.copy_from_slice(b"123456789");
        let encoded = codec().encode(scratch.into()).unwrap();
        let at = encoded.as_ptr();
        assert_eq!(codec().decode(encoded, Expect::AtMost(9)).unwrap().as_ptr(), at);
    }

    #[test]
    fn a_wrong_checksum_shows_both_values() {
        let error = codec()
            .decode(Bytes::Borrowed(b"123456789\x83\x92\x06\xe4"), Expect::Exactly(9))
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Checksum);
        assert!(
            error.detail().contains("0xe3069283") && error.detail().contains("0xe4069283"),
            "{error}"
        );
    }

    #[test]
    fn the_switch_turns_the_comparison_off() {
        let decoded = strip(Bytes::Borrowed(b"123456789\0\0\0\0"), Expect::Exactly(9), false);
        assert_eq!(&*decoded.unwrap(), b"123456789");
    }

    #[test]
    fn too_short_and_too_long() {
        for (len, expect, kind) in [
            (0, Expect::AtMost(9), Kind::Truncated),
            (3, Expect::AtMost(9), Kind::Truncated),
            (12, Expect::Exactly(9), Kind::Truncated),
            (14, Expect::Exactly(9), Kind::Size),
            (14, Expect::AtMost(9), Kind::Size),
        ] {
            assert_eq!(
                codec()
                    .decode(Bytes::Borrowed(&vec![0; len]), expect)
                    .err()
                    .unwrap()
                    .kind(),
                kind
            );
        }
    }

    #[test]
    fn no_fault_passes() {
        let good = codec().encode(Bytes::Borrowed(&hostile::noise(40))).unwrap().to_vec();
        let passed = hostile::torture(&*codec(), &good, 40);
        // CRC-32C finds every change of one bit and every burst of up to 32 bits.
        assert_eq!(passed, 0);
    }

    #[test]
    fn configuration_is_refused() {
        let json = json!({"name": "crc32c", "configuration": {"level": 1}});
        let error = compile_error(compile, &json, &spec_of(&[9], 1));
        assert_eq!(error.kind(), Kind::Metadata);
        assert!(error.detail().contains("level"), "{error}");
    }
}
