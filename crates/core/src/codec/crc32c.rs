//! `crc32c`: the bytes as they are, with their CRC-32C (Castagnoli) behind them as four bytes, little-endian.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/crc32c/index.html>
//!
//! Names: `crc32c`; `numcodecs.crc32c`, which has a `location` ("start" or "end", where absent "end").
//!
//! ```json
//! {"name": "crc32c"}
//! ```
//!
//! `crc32c` has no configuration; an empty one is accepted.

use super::checksum::{self, Location};
use super::{Document, Stage};
use crate::error::Result;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    Ok(checksum::stage(document, Location::End, |data| {
        Ok(crc32c::crc32c(data))
    }))
}

pub fn compile_numcodecs(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    checksum::compile(document, Location::End, crc32c::crc32c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Expect;
    use crate::codec::hostile::{compile_bytes_bytes, spec_of};
    use crate::error::Kind;
    use crate::scratch::Bytes;
    use serde_json::json;

    #[test]
    fn the_check_value_of_the_algorithm() {
        let json = json!({"name": "crc32c", "configuration": {}});
        let codec = compile_bytes_bytes(compile, &json, &spec_of(&[9], 1));
        let encoded = codec.encode(Bytes::Borrowed(b"123456789")).unwrap();
        assert_eq!(&*encoded, b"123456789\x83\x92\x06\xe3");
        assert_eq!(&*codec.decode(encoded, Expect::Exactly(9)).unwrap(), b"123456789");
        assert_eq!(codec.encoded_nbytes(9), Some(13));
        assert_eq!(codec.to_json(), json!({"name": "crc32c"}));
    }

    #[test]
    fn a_wrong_checksum_shows_both_values() {
        let json = json!({"name": "crc32c"});
        let codec = compile_bytes_bytes(compile, &json, &spec_of(&[9], 1));
        let error = codec
            .decode(Bytes::Borrowed(b"123456789\x83\x92\x06\xe4"), Expect::Exactly(9))
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Checksum);
        assert!(
            error.detail().contains("0xe3069283") && error.detail().contains("0xe4069283"),
            "{error}"
        );
    }
}
