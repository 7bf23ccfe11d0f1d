//! `numcodecs.jenkins_lookup3`: the bytes as they are, with their lookup3 hash behind them as four bytes, little-endian.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.jenkins_lookup3>;
//! `hashlittle` of lookup3.c, <https://www.burtleburtle.net/bob/c/lookup3.c>, which HDF5 uses for its metadata.
//!
//! Names: `numcodecs.jenkins_lookup3`.
//!
//! ```json
//! {"name": "numcodecs.jenkins_lookup3", "configuration": {"initval": 0, "prefix": [1, 2, 3]}}
//! ```
//!
//! `initval` (0 where absent) is what the hash starts from, `prefix` (none where absent or null) bytes that are hashed in
//! front of the others and not stored.

use serde_json::Value;

use super::checksum::{self, Location};
use super::{Document, Stage};
use crate::error::Result;
use crate::scratch;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["initval", "prefix"])?;
    let initval = document.integer("initval", 0, i64::from(u32::MAX), Some(0))? as u32;
    let prefix = parse_prefix(document)?;
    Ok(checksum::stage(document, Location::End, move |data| {
        if prefix.is_empty() {
            return Ok(lookup3(data, initval));
        }
        // Rare: the hash needs its length first, and its blocks in one piece.
        let mut whole = scratch::take(prefix.len() + data.len())?;
        whole[..prefix.len()].copy_from_slice(&prefix);
        whole[prefix.len()..].copy_from_slice(data);
        Ok(lookup3(&whole, initval))
    }))
}

fn parse_prefix(document: &Document<'_>) -> Result<Vec<u8>> {
    let bytes = match document.get("prefix") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array(),
    };
    let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
    bytes
        .and_then(|bytes| bytes.iter().map(byte).collect())
        .ok_or_else(|| document.invalid("prefix", "a list of integers from 0 to 255"))
}

const BLOCK_NBYTES: usize = 12;

/// Three words are mixed with blocks of three words; the last block is mixed in another way, and has 1 to 12 bytes.
fn lookup3(data: &[u8], initval: u32) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(data.len() as u32).wrapping_add(initval);
    let Some(last) = data.len().checked_sub(1) else {
        return start;
    };
    let (blocks, last) = data.split_at(last / BLOCK_NBYTES * BLOCK_NBYTES);
    let (blocks, _) = blocks.as_chunks::<BLOCK_NBYTES>();
    let mut words = [start; 3];
    for block in blocks {
        words = mix(add(words, block));
    }
    // What is missing counts as zeros.
    let mut padded = [0; BLOCK_NBYTES];
    padded[..last.len()].copy_from_slice(last);
    finish(add(words, &padded))
}

fn add([a, b, c]: [u32; 3], block: &[u8; BLOCK_NBYTES]) -> [u32; 3] {
    let word = |i: usize| u32::from_le_bytes([block[i], block[i + 1], block[i + 2], block[i + 3]]);
    [
        a.wrapping_add(word(0)),
        b.wrapping_add(word(4)),
        c.wrapping_add(word(8)),
    ]
}

fn mix(mut words: [u32; 3]) -> [u32; 3] {
    // Each step is that of `mix` in lookup3.c, which names the words a, b, c in turn.
    for (step, rotation) in [4, 6, 8, 16, 19, 4].into_iter().enumerate() {
        let (x, y, z) = (step % 3, (step + 1) % 3, (step + 2) % 3);
        words[x] = words[x].wrapping_sub(words[z]) ^ words[z].rotate_left(rotation);
        words[z] = words[z].wrapping_add(words[y]);
    }
    words
}

fn finish(mut words: [u32; 3]) -> u32 {
    // `final` in lookup3.c: c with b, a with c, b with a, and so on.
    for (step, rotation) in [14, 11, 25, 16, 4, 14, 24].into_iter().enumerate() {
        let (x, y) = ((step + 2) % 3, (step + 1) % 3);
        words[x] = (words[x] ^ words[y]).wrapping_sub(words[y].rotate_left(rotation));
    }
    words[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{compile_bytes_bytes, compile_error, roundtrip, spec_of};
    use serde_json::json;

    #[test]
    fn known_values() {
        // Of driver5 in lookup3.c.
        let text = b"Four score and seven years ago";
        assert_eq!(lookup3(b"", 0), 0xdead_beef);
        assert_eq!(lookup3(b"", 0xdead_beef), 0xbd5b_7dde);
        assert_eq!(lookup3(text, 0), 0x1777_0551);
        assert_eq!(lookup3(text, 1), 0xcd62_8161);
    }

    #[test]
    fn a_prefix_is_hashed_and_not_stored() {
        let json = json!({"name": "numcodecs.jenkins_lookup3", "configuration":
            {"initval": 1, "prefix": b"Four score "}});
        let codec = compile_bytes_bytes(compile, &json, &spec_of(&[19], 1));
        let encoded = roundtrip(&*codec, b"and seven years ago");
        assert_eq!(encoded, b"and seven years ago\x61\x81\x62\xcd");
        assert_eq!(codec.to_json(), json);
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for (member, wrong) in [
            ("initval", json!(-1)),
            ("initval", json!(1_u64 << 32)),
            ("initval", json!("0")),
            ("prefix", json!("ab")),
            ("prefix", json!([256])),
            ("prefix", json!([-1])),
        ] {
            let json = json!({"name": "numcodecs.jenkins_lookup3", "configuration": {member: wrong}});
            let error = compile_error(compile, &json, &spec_of(&[1], 1));
            assert!(error.detail().contains(member), "{error}");
        }
    }
}
