//! For the tests of decoders: damaged input, dirty buffers, and memory that ends where the input ends.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::{ArrayBytesCodec, BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::dtype::{Kind as Items, Layout, SwapRun};
use crate::error::{Error, Kind, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

type Compile = fn(&Document<'_>, &ChunkSpec) -> Result<Stage>;

/// Unsigned integers of `item_nbytes`.
pub fn spec_of(shape: &[u64], item_nbytes: usize) -> ChunkSpec {
    let run = SwapRun {
        offset: 0,
        nbytes: item_nbytes,
        count: 1,
    };
    let runs = if item_nbytes > 1 { vec![run] } else { Vec::new() };
    ChunkSpec::new(
        shape.to_vec(),
        Layout::new(Items::Opaque, item_nbytes, runs).unwrap(),
        &vec![0; item_nbytes],
    )
    .unwrap()
}

pub fn compile_bytes_bytes(compile: Compile, json: &Value, spec: &ChunkSpec) -> Arc<dyn BytesBytesCodec> {
    match compile(&Document::parse(json).unwrap(), spec).unwrap() {
        Stage::BytesBytes(codec) => codec,
        _ => unreachable!(),
    }
}

pub fn compile_error(compile: Compile, json: &Value, spec: &ChunkSpec) -> Error {
    match compile(&Document::parse(json).unwrap(), spec) {
        Ok(_) => panic!("{json} was accepted"),
        Err(error) => error,
    }
}

/// An array-to-bytes codec as one of bytes to bytes, for `roundtrip` and `torture`.
pub struct Serializer(pub Arc<dyn ArrayBytesCodec>);

impl Codec for Serializer {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self.0.as_any()
    }
}

impl BytesBytesCodec for Serializer {
    fn max_encoded_nbytes(&self, _nbytes: u64) -> u64 {
        self.0.max_encoded_nbytes()
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        self.0.encode(data)
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        let items = self.0.decode(data)?;
        expect.check(items.len()).map(|()| items)
    }
}

/// Bytes that no codec can shrink.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Bytes that every codec can shrink: a slowly growing u16, with repeats.
pub fn ramp(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| if i % 2 == 0 { (i / 16) as u8 } else { (i / 4096) as u8 })
        .collect()
}

/// The stored bytes are what `encode` gives, and decode to `data` under both expectations.
pub fn roundtrip(codec: &dyn BytesBytesCodec, data: &[u8]) -> Vec<u8> {
    let encoded = codec.encode(Bytes::Borrowed(data)).unwrap().to_vec();
    assert!(encoded.len() as u64 <= codec.max_encoded_nbytes(data.len() as u64));
    for expect in [
        Expect::Exactly(data.len()),
        Expect::AtMost(data.len()),
        Expect::AtMost(data.len() * 3 + 5),
    ] {
        dirty(data.len(), 0xa5);
        assert!(
            *codec.decode(Bytes::Borrowed(&encoded), expect).unwrap() == *data,
            "{expect:?}"
        );
    }
    let kind = |expect| codec.decode(Bytes::Borrowed(&encoded), expect).err().map(|e| e.kind());
    assert_eq!(kind(Expect::Exactly(data.len() + 1)), Some(Kind::Truncated));
    if !data.is_empty() {
        assert_eq!(kind(Expect::Exactly(data.len() - 1)), Some(Kind::Size));
        assert_eq!(kind(Expect::AtMost(data.len() - 1)), Some(Kind::Size));
    }
    encoded
}

/// Decodes every cut, every change of a bit and of a byte, every short and every long garbage: each must end in an
/// error, or in `len` bytes that do not depend on what the buffers held before. Gives how many were accepted.
pub fn torture(codec: &dyn BytesBytesCodec, good: &[u8], len: usize) -> usize {
    let mut accepted = 0;
    for cut in 0..good.len() {
        accepted += usize::from(attempt(codec, &good[..cut], len));
    }
    for at in 0..good.len() {
        let bits = (0..8).map(|bit| good[at] ^ (1 << bit));
        let bytes = [
            0x00,
            0x7f,
            0x80,
            0xff,
            good[at].wrapping_add(1),
            good[at].wrapping_sub(1),
        ];
        for byte in bits
            .chain(bytes)
            .filter(|&b| b != good[at])
            .collect::<std::collections::BTreeSet<_>>()
        {
            let mut bad = good.to_vec();
            bad[at] = byte;
            accepted += usize::from(attempt(codec, &bad, len));
        }
    }
    for garbage_len in [0, 1, 2, 3, 7, 15, 16, 17, 64, 300] {
        for fill in [0x00, 0xff, 0x1f] {
            accepted += usize::from(attempt(codec, &vec![fill; garbage_len], len));
        }
        accepted += usize::from(attempt(codec, &noise(garbage_len), len));
        // The right beginning, then garbage.
        let start = garbage_len.min(good.len()) / 2;
        accepted += usize::from(attempt(codec, &[&good[..start], &noise(garbage_len)].concat(), len));
    }
    accepted
}

/// Every change of a bit is found, or changes nothing in what comes out. Gives how many were accepted.
///
/// For formats with a checksum of the content, but with parts that do not matter for it.
pub fn nothing_wrong_is_accepted(codec: &dyn BytesBytesCodec, good: &[u8], data: &[u8]) -> usize {
    let mut accepted = 0;
    for bit in 0..8 * good.len() {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(out) = codec.decode(Bytes::Borrowed(&bad), Expect::Exactly(data.len())) {
            assert!(*out == *data, "bit {bit}");
            accepted += 1;
        }
    }
    accepted
}

fn attempt(codec: &dyn BytesBytesCodec, input: &[u8], len: usize) -> bool {
    let input = Guarded::new(input);
    let decode = |expect: Expect, fill: u8| {
        dirty(len, fill);
        codec
            .decode(Bytes::Borrowed(&input), expect)
            .map(|out| out.to_vec())
            .map_err(|e| e.kind())
    };
    let (one, two) = (decode(Expect::Exactly(len), 0xaa), decode(Expect::Exactly(len), 0x55));
    assert!(one == two, "dirty bytes came through");
    if let Ok(out) = &one {
        assert_eq!(out.len(), len);
    }
    let (three, four) = (decode(Expect::AtMost(len), 0xaa), decode(Expect::AtMost(len), 0x55));
    assert!(three == four, "dirty bytes came through");
    assert!(three.is_err() || three.as_ref().is_ok_and(|out| out.len() <= len));
    assert!(one.is_err() || one == three);
    one.is_ok()
}

/// Leaves only buffers full of `fill` for the next `take` of up to `len` bytes, and fills what C allocates too.
fn dirty(len: usize, fill: u8) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets an integer option of the allocator.
    unsafe {
        libc::mallopt(libc::M_PERTURB, i32::from(fill));
    }
    let buffers: Vec<_> = (0..4).map(|_| scratch::take(len.max(1 << 16)).unwrap()).collect();
    for mut buffer in buffers {
        buffer.fill(fill);
    }
}

/// A copy of the input whose last byte is followed by a page that cannot be read.
struct Guarded {
    #[cfg(unix)]
    base: *mut libc::c_void,
    #[cfg(unix)]
    mapped: usize,
    #[cfg(unix)]
    len: usize,
    #[cfg(not(unix))]
    bytes: Box<[u8]>,
}

#[cfg(not(unix))]
impl Guarded {
    fn new(bytes: &[u8]) -> Self {
        Guarded { bytes: bytes.into() }
    }
}

#[cfg(not(unix))]
impl Deref for Guarded {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(unix)]
const GUARD: usize = 1 << 16;

#[cfg(unix)]
impl Guarded {
    fn new(bytes: &[u8]) -> Self {
        let mapped = bytes.len().next_multiple_of(GUARD) + GUARD;
        // SAFETY: a new anonymous mapping; its last part is then made unreadable, and the bytes go right in front.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            );
            assert_ne!(base, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(base.byte_add(mapped - GUARD), GUARD, libc::PROT_NONE), 0);
            let start = base.cast::<u8>().add(mapped - GUARD - bytes.len());
            start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            Guarded {
                base,
                mapped,
                len: bytes.len(),
            }
        }
    }
}

#[cfg(unix)]
impl Deref for Guarded {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `new` wrote `len` bytes that end where the guard starts; the mapping lives as long as self.
        unsafe { std::slice::from_raw_parts(self.base.cast::<u8>().add(self.mapped - GUARD - self.len), self.len) }
    }
}

#[cfg(unix)]
impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nothing borrows any more.
        unsafe {
            libc::munmap(self.base, self.mapped);
        }
    }
}
