//! `numcodecs.adler32`: the bytes as they are, with their Adler-32 in front or behind as four bytes, little-endian.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.adler32>, RFC 1950
//!
//! Names: `numcodecs.adler32`.
//!
//! ```json
//! {"name": "numcodecs.adler32", "configuration": {"location": "start"}}
//! ```
//!
//! `location` is "start" (where it is absent) or "end".

use super::checksum::{self, Location};
use super::deflate::adler32;
use super::{Document, Stage};
use crate::error::Result;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    checksum::compile(document, Location::Start, adler32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm() {
        assert_eq!(adler32(b"123456789"), 0x091e_01de);
    }
}
