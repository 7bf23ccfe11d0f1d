//! `numcodecs.crc32`: the bytes as they are, with their CRC-32 in front or behind as four bytes, little-endian.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.crc32>, RFC 1952
//!
//! Names: `numcodecs.crc32`.
//!
//! ```json
//! {"name": "numcodecs.crc32", "configuration": {"location": "start"}}
//! ```
//!
//! `location` is "start" (where it is absent) or "end".

use super::checksum::{self, Location};
use super::deflate::crc32;
use super::{Document, Stage};
use crate::error::Result;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    checksum::compile(document, Location::Start, crc32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
