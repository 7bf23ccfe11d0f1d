//! `zstd`: Zstandard frames.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/zstd>, RFC 8878
//!
//! Names: `zstd`; `numcodecs.zstd`, whose `level` may be absent (0) and is brought into the range.
//!
//! ```json
//! {"name": "zstd", "configuration": {"level": 3, "checksum": false}}
//! ```
//!
//! `level` is -131072 to 22, where 0 means zstd's default; `checksum` (default false) adds 32 bits of XXH64 that every
//! reader verifies. One frame with its content size is written. Read are also several frames, skippable frames, and
//! frames without a content size; frames of zstd before 0.8 are refused, their decoders being unmaintained.
//!
//! Decoding is one-shot into a buffer of the chunk's size, which then is the window: memory does not depend on the
//! window that a frame asks for.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use serde_json::{Value, json};
use zstd_safe::zstd_sys::{self as ffi, ZSTD_ErrorCode};
use zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective};

use super::output::Output;
use super::{BytesBytesCodec, Codec, Document, Expect, Stage, context};
use crate::cancel::cancelled;
use crate::error::{Error, Kind, Result};
use crate::limits::{max_compressed_nbytes, verify_checksums};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

/// Between blocks of this size the encoder looks whether the call was given up.
const BLOCK_NBYTES: usize = 1 << 20;
/// A context that has grown above this (high levels) is freed after use.
const KEPT_CONTEXT_NBYTES: usize = 8 << 20;

const MIN_LEVEL: i64 = -131_072;
const MAX_LEVEL: i64 = 22;

struct Zstd {
    name: &'static str,
    level: i32,
    checksum: bool,
}

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    stage(document, "zstd", document.integer("level", MIN_LEVEL, MAX_LEVEL, None)?)
}

/// `numcodecs.zstd`: the same with a default level.
pub fn compile_numcodecs(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    let level = document.integer("level", i32::MIN.into(), i32::MAX.into(), Some(0))?;
    stage(document, "numcodecs.zstd", level.clamp(MIN_LEVEL, MAX_LEVEL))
}

fn stage(document: &Document<'_>, name: &'static str, level: i64) -> Result<Stage> {
    document.only(&["level", "checksum"])?;
    let checksum = match document.get("checksum") {
        None => false,
        Some(Value::Bool(checksum)) => *checksum,
        Some(_) => return Err(document.invalid("checksum", "true or false")),
    };
    let level = level as i32;
    Ok(Stage::BytesBytes(Arc::new(Zstd { name, level, checksum })))
}

impl Codec for Zstd {
    fn name(&self) -> &str {
        self.name
    }

    fn to_json(&self) -> Value {
        json!({"name": self.name, "configuration": {"level": self.level, "checksum": self.checksum}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

thread_local! {
    static COMPRESSOR: Cell<Option<Compressor>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

impl BytesBytesCodec for Zstd {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let mut compressor = context::take(&COMPRESSOR).map_or_else(Compressor::new, Ok)?;
        let mut out = scratch::take(zstd_safe::compress_bound(data.len()))?;
        let nbytes = compressor.compress(&data, &mut out, self)?;
        if compressor.nbytes() <= KEPT_CONTEXT_NBYTES {
            context::put_back(&COMPRESSOR, compressor);
        }
        out.truncate(nbytes);
        Ok(out.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        decode_frames(&data, expect, verify_checksums())
    }

    fn decode_prefix(&self, data: &[u8], nbytes: usize, expect: Expect) -> Result<Option<Bytes<'static>>> {
        decode_prefix(data, nbytes, expect, verify_checksums())
    }
}

/// A compression context. The library's own wrapper cannot offer a stable input buffer (below), which is worth 8 %.
struct Compressor(NonNull<ffi::ZSTD_CCtx>);

impl Compressor {
    fn new() -> Result<Self> {
        // SAFETY: a plain constructor; null where there is no memory.
        NonNull::new(unsafe { ffi::ZSTD_createCCtx() })
            .map(Compressor)
            .ok_or_else(no_memory)
    }

    /// One frame, fed block by block so that a cancelled call ends soon. Gives its length in `out`.
    fn compress(&mut self, data: &[u8], out: &mut [u8], zstd: &Zstd) -> Result<usize> {
        self.set_up(data.len(), zstd)?;
        let mut output = ffi::ZSTD_outBuffer {
            dst: out.as_mut_ptr().cast::<c_void>(),
            size: out.len(),
            pos: 0,
        };
        let mut input = ffi::ZSTD_inBuffer {
            src: data.as_ptr().cast::<c_void>(),
            size: 0,
            pos: 0,
        };
        loop {
            if cancelled() {
                return Err(Error::cancelled("given up while encoding"));
            }
            input.size = data.len().min(input.pos + BLOCK_NBYTES);
            let last = input.size == data.len();
            let directive = if last {
                ffi::ZSTD_EndDirective::ZSTD_e_end
            } else {
                ffi::ZSTD_EndDirective::ZSTD_e_continue
            };
            // SAFETY: `self.0` is a live context that this thread alone uses. The buffers are readable and writable for
            // the sizes given and do not overlap. The input stays where it is until the frame is complete, or the
            // context is freed or reset without looking at it.
            let left =
                unsafe { ffi::ZSTD_compressStream2(self.0.as_ptr(), &raw mut output, &raw mut input, directive) };
            match check_encode(left)? {
                0 if last => return Ok(output.pos),
                _ if last || input.pos != input.size => {
                    return Err(Error::internal("zstd: the bound of the output does not hold"));
                }
                _ => {}
            }
        }
    }

    fn set_up(&mut self, nbytes: usize, zstd: &Zstd) -> Result<()> {
        use ffi::ZSTD_cParameter::{ZSTD_c_checksumFlag, ZSTD_c_compressionLevel, ZSTD_c_experimentalParam9};
        let context = self.0.as_ptr();
        let reset = ffi::ZSTD_ResetDirective::ZSTD_reset_session_and_parameters;
        // SAFETY: `context` is live and used by this thread alone.
        check_encode(unsafe { ffi::ZSTD_CCtx_reset(context, reset) })?;
        let parameters = [
            (ZSTD_c_compressionLevel, zstd.level),
            (ZSTD_c_checksumFlag, i32::from(zstd.checksum)),
            // ZSTD_c_stableInBuffer: the input stays in place, so that it need not be copied into a window.
            (ZSTD_c_experimentalParam9, 1),
        ];
        for (parameter, value) in parameters {
            // SAFETY: as above.
            check_encode(unsafe { ffi::ZSTD_CCtx_setParameter(context, parameter, value) })?;
        }
        // The size then stands in the frame's header.
        // SAFETY: as above.
        check_encode(unsafe { ffi::ZSTD_CCtx_setPledgedSrcSize(context, nbytes as u64) })?;
        Ok(())
    }

    /// The memory that it holds.
    fn nbytes(&self) -> usize {
        // SAFETY: `self.0` is a live context.
        unsafe { ffi::ZSTD_sizeof_CCtx(self.0.as_ptr()) }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: `self.0` came from `ZSTD_createCCtx` and is freed once.
        unsafe { ffi::ZSTD_freeCCtx(self.0.as_ptr()) };
    }
}

fn decode_frames(data: &[u8], expect: Expect, verify: bool) -> Result<Bytes<'static>> {
    check_frames(data, expect)?;
    let mut decompressor = context::take(&DECOMPRESSOR)
        .or_else(DCtx::try_create)
        .ok_or_else(no_memory)?;
    decompressor
        .set_parameter(DParameter::ForceIgnoreChecksum(!verify))
        .map_err(decode_error)?;
    let mut output = Output::new(expect, data.len())?;
    let nbytes = loop {
        match decompressor.decompress(output.free(), data) {
            Ok(nbytes) => break nbytes,
            Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => output.grow()?,
            Err(code) => return Err(decode_error(code)),
        }
    };
    context::put_back(&DECOMPRESSOR, decompressor);
    output.advance(nbytes);
    output.finish()
}

/// Decodes one frame as far as `nbytes`; None where the frame's checksum could then not be verified, or where there
/// are several frames.
fn decode_prefix(data: &[u8], nbytes: usize, expect: Expect, verify: bool) -> Result<Option<Bytes<'static>>> {
    /// Fed at once: a cancelled call is noticed in between.
    const INPUT_NBYTES: usize = 1 << 18;
    /// The checksum flag in the frame header's first byte, behind the magic number.
    const CHECKSUM_FLAG: u8 = 1 << 2;
    check_frames(data, expect)?;
    let has_checksum = data.get(4).is_some_and(|descriptor| descriptor & CHECKSUM_FLAG != 0);
    let content = zstd_safe::get_frame_content_size(data).ok().flatten();
    if (has_checksum && verify) || frame_nbytes(data)? != data.len() || content != Some(expect.limit() as u64) {
        return Ok(None);
    }
    let mut decompressor = context::take(&DECOMPRESSOR)
        .or_else(DCtx::try_create)
        .ok_or_else(no_memory)?;
    decompressor
        .reset(ResetDirective::SessionOnly)
        .and_then(|_| decompressor.set_parameter(DParameter::ForceIgnoreChecksum(true)))
        .map_err(decode_error)?;
    let mut buffer = scratch::take(nbytes)?;
    let (mut filled, mut input) = (0, data);
    while filled < nbytes {
        if input.is_empty() {
            return Err(cut_short());
        }
        if cancelled() {
            return Err(Error::cancelled("the call was given up"));
        }
        let (part, _) = input.split_at(input.len().min(INPUT_NBYTES));
        let mut from = InBuffer::around(part);
        let mut to = OutBuffer::around(&mut buffer[filled..]);
        decompressor
            .decompress_stream(&mut to, &mut from)
            .map_err(decode_error)?;
        let (written, consumed) = (to.pos(), from.pos);
        if written == 0 && consumed == 0 {
            return Err(Error::corrupt("the zstd frame gives no more bytes"));
        }
        filled += written;
        input = &input[consumed..];
    }
    // It stands in the middle of a frame: the next to take it must find it at a start.
    decompressor.reset(ResetDirective::SessionOnly).map_err(decode_error)?;
    context::put_back(&DECOMPRESSOR, decompressor);
    Ok(Some(buffer.into()))
}

/// Goes from frame to frame by the block headers: all are of the current format and complete, and what they say of
/// their content fits. Whatever is wrong there is found before a byte is decoded.
fn check_frames(data: &[u8], expect: Expect) -> Result<()> {
    if data.is_empty() {
        return Err(Error::truncated("no bytes, where at least one frame must be"));
    }
    let (mut rest, mut content) = (data, 0_u64);
    while !rest.is_empty() {
        let frame_nbytes = frame_nbytes(rest)?;
        let (frame, behind) = rest.split_at_checked(frame_nbytes).ok_or_else(cut_short)?;
        // None: the frame does not say.
        let size =
            zstd_safe::get_frame_content_size(frame).map_err(|_| Error::corrupt("the frame header is corrupt"))?;
        content = content.saturating_add(size.unwrap_or(0));
        if content > expect.limit() as u64 {
            return Err(expect.overflow());
        }
        rest = behind;
    }
    Ok(())
}

/// The length of the frame at the start of `data`, if it is one that we read.
///
/// The format is checked here since the library may have been built with the old ones (blosc's bindings ask for that).
pub(super) fn frame_nbytes(data: &[u8]) -> Result<usize> {
    const FRAME: u32 = 0xfd2f_b528;
    const SKIPPABLE: u32 = 0x184d_2a50;
    let magic = u32::from_le_bytes(*data.first_chunk().ok_or_else(cut_short)?);
    if magic != FRAME && magic & !0xf != SKIPPABLE {
        return Err(Error::corrupt(format!("{magic:#010x} does not start a zstd frame")));
    }
    zstd_safe::find_frame_compressed_size(data).map_err(decode_error)
}

fn cut_short() -> Error {
    Error::truncated("the zstd frame is cut short")
}

fn no_memory() -> Error {
    Error::new(Kind::Memory, "no memory for a zstd context")
}

fn is(code: ErrorCode, kind: ZSTD_ErrorCode) -> bool {
    zstd_safe::is_error_kind(code, kind)
}

fn decode_error(code: ErrorCode) -> Error {
    if is(code, ZSTD_ErrorCode::ZSTD_error_srcSize_wrong) {
        return cut_short();
    }
    let detail = zstd_safe::get_error_name(code);
    match code {
        code if is(code, ZSTD_ErrorCode::ZSTD_error_checksum_wrong) => Error::checksum(detail),
        code if is(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) => no_memory(),
        _ => Error::corrupt(detail),
    }
}

/// The count that a call of the encoder gave, where it is not an error.
fn check_encode(code: usize) -> Result<usize> {
    // SAFETY: looks at the number only.
    if unsafe { ffi::ZSTD_isError(code) } == 0 {
        return Ok(code);
    }
    match code {
        code if is(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) => Err(no_memory()),
        code => Err(Error::internal(format!("zstd: {}", zstd_safe::get_error_name(code)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
    use std::sync::atomic::AtomicBool;
    use zstd_safe::{CCtx, CParameter, zstd_sys::ZSTD_EndDirective};

    fn codec(level: i32, checksum: bool) -> Arc<dyn BytesBytesCodec> {
        let json = json!({"name": "zstd", "configuration": {"level": level, "checksum": checksum}});
        compile_bytes_bytes(compile, &json, &spec_of(&[1], 1))
    }

    fn encode(data: &[u8]) -> Vec<u8> {
        codec(1, false).encode(Bytes::Borrowed(data)).unwrap().to_vec()
    }

    fn decode(data: &[u8], expect: Expect) -> Result<Vec<u8>> {
        codec(1, false)
            .decode(Bytes::Borrowed(data), expect)
            .map(|out| out.to_vec())
    }

    fn without_content_size(data: &[u8]) -> Vec<u8> {
        let mut compressor = CCtx::create();
        compressor.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
        let mut out = vec![0; zstd_safe::compress_bound(data.len())];
        let nbytes = compressor.compress2(&mut out[..], data).unwrap();
        out.truncate(nbytes);
        assert_eq!(zstd_safe::get_frame_content_size(&out).unwrap(), None);
        out
    }

    /// A prefix is what decoding the whole gives first; and only where nothing is left unverified.
    #[test]
    fn decoding_stops_where_it_is_told_to() {
        let data = ramp(3 * BLOCK_NBYTES + 17);
        let expect = Expect::Exactly(data.len());
        let frame = encode(&data);
        for nbytes in [1, 100, BLOCK_NBYTES, BLOCK_NBYTES + 1, data.len() - 1, data.len()] {
            let prefix = codec(1, false).decode_prefix(&frame, nbytes, expect).unwrap().unwrap();
            assert!(*prefix == data[..nbytes], "{nbytes}");
            // By the context that has just stopped in the middle of a frame.
            assert!(decode(&frame, expect).unwrap() == data, "{nbytes}");
        }
        let prefix = |frame: &[u8], expect| codec(1, false).decode_prefix(frame, 100, expect);
        let checked = codec(1, true).encode(Bytes::Borrowed(&data)).unwrap();
        assert!(prefix(&checked, expect).unwrap().is_none());
        assert!(prefix(&[&frame[..], &SKIPPABLE].concat(), expect).unwrap().is_none());
        assert!(prefix(&without_content_size(&data), expect).unwrap().is_none());
        assert!(prefix(&frame, Expect::Exactly(data.len() + 1)).unwrap().is_none());
        assert_eq!(prefix(&frame, Expect::Exactly(50)).err().unwrap().kind(), Kind::Size);
        for len in 0..64 {
            assert!(prefix(&frame[..len], expect).is_err());
        }
        // A frame whose end is cut off is an error even where the prefix is there.
        assert_eq!(
            prefix(&frame[..frame.len() - 1], expect).err().unwrap().kind(),
            Kind::Truncated
        );
    }

    const SKIPPABLE: [u8; 11] = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];

    #[test]
    fn levels_and_sizes() {
        for level in [-131_072, -5, 0, 1, 9, 22] {
            for data in [vec![], vec![7], ramp(5000), noise(5000)] {
                for checksum in [false, true] {
                    roundtrip(&*codec(level, checksum), &data);
                }
            }
        }
        let json = json!({"name": "zstd", "configuration": {"level": -5, "checksum": true}});
        assert_eq!(codec(-5, true).to_json(), json);
        let short = json!({"name": "zstd", "configuration": {"level": 3}});
        let full = json!({"name": "zstd", "configuration": {"level": 3, "checksum": false}});
        assert_eq!(compile_bytes_bytes(compile, &short, &spec_of(&[1], 1)).to_json(), full);
    }

    #[test]
    fn large_chunks_are_one_frame_with_its_size() {
        for len in [
            BLOCK_NBYTES - 1,
            BLOCK_NBYTES,
            BLOCK_NBYTES + 1,
            2 * BLOCK_NBYTES,
            3 * BLOCK_NBYTES + 12_345,
        ] {
            for (data, checksum) in [(ramp(len), false), (noise(len), true)] {
                for level in [-5, 0, 6] {
                    let encoded = roundtrip(&*codec(level, checksum), &data);
                    assert_eq!(zstd_safe::get_frame_content_size(&encoded).unwrap(), Some(len as u64));
                    assert_eq!(zstd_safe::find_frame_compressed_size(&encoded).unwrap(), encoded.len());
                    assert!(
                        encoded == roundtrip(&*codec(level, checksum), &data),
                        "not the same bytes twice"
                    );
                }
            }
        }
    }

    #[test]
    fn a_stream_of_another_library() {
        // `printf hello | zstd --no-check -1`: a frame without checksum and a raw block
        let frame = [
            0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, b'h', b'e', b'l', b'l', b'o',
        ];
        assert_eq!(decode(&frame, Expect::Exactly(5)).unwrap(), b"hello");
    }

    #[test]
    fn many_kinds_of_frames_in_one_stream() {
        let parts = [ramp(300_000), noise(100), vec![], ramp(1000)];
        let frames = [
            encode(&parts[0]),
            without_content_size(&parts[1]),
            encode(&parts[2]),
            encode(&parts[3]),
        ];
        let stream = [
            &SKIPPABLE,
            &*frames[0],
            &*frames[1],
            &SKIPPABLE,
            &*frames[2],
            &*frames[3],
            &SKIPPABLE,
        ]
        .concat();
        let whole = parts.concat();
        for expect in [
            Expect::Exactly(whole.len()),
            Expect::AtMost(whole.len()),
            Expect::AtMost(1 << 30),
        ] {
            assert!(decode(&stream, expect).unwrap() == whole);
        }
        for expect in [Expect::Exactly(whole.len() - 1), Expect::AtMost(1000)] {
            assert_eq!(decode(&stream, expect).unwrap_err().kind(), Kind::Size);
        }
        assert_eq!(
            decode(&stream, Expect::Exactly(whole.len() + 1)).unwrap_err().kind(),
            Kind::Truncated
        );
        assert_eq!(decode(&SKIPPABLE, Expect::Exactly(0)).unwrap(), b"");
    }

    #[test]
    fn without_content_size_the_limit_still_holds() {
        let bomb = without_content_size(&vec![0; 64 << 20]);
        for expect in [Expect::Exactly(1000), Expect::AtMost(1000), Expect::AtMost(1 << 20)] {
            assert_eq!(decode(&bomb, expect).unwrap_err().kind(), Kind::Size);
        }
        assert!(
            decode(&bomb, Expect::Exactly(64 << 20))
                .unwrap()
                .iter()
                .all(|&b| b == 0)
        );
        assert_eq!(decode(&bomb, Expect::AtMost(1 << 30)).unwrap().len(), 64 << 20);
    }

    #[test]
    fn windows_larger_than_the_usual_limit() {
        let mut compressor = CCtx::create();
        compressor.set_parameter(CParameter::WindowLog(30)).unwrap();
        compressor.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
        let (data, mut out) = (ramp(10_000), vec![0; 20_000]);
        let mut output = OutBuffer::around(&mut out[..]);
        let end = ZSTD_EndDirective::ZSTD_e_continue;
        compressor
            .compress_stream2(&mut output, &mut InBuffer::around(&data), end)
            .unwrap();
        while compressor.end_stream(&mut output).unwrap() != 0 {}
        let nbytes = output.pos();
        assert_eq!(decode(&out[..nbytes], Expect::Exactly(10_000)).unwrap(), data);
    }

    #[test]
    fn kinds_of_damage() {
        let data = ramp(500);
        let good = codec(3, true).encode(Bytes::Borrowed(&data)).unwrap().to_vec();
        for cut in 0..good.len() {
            assert_eq!(
                decode(&good[..cut], Expect::Exactly(500)).unwrap_err().kind(),
                Kind::Truncated,
                "{cut}"
            );
        }
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&bad, Expect::Exactly(500)).unwrap_err().kind(), Kind::Checksum);
        assert_eq!(&*decode_frames(&bad, Expect::Exactly(500), false).unwrap(), data);
        assert_eq!(
            decode(&bad, Expect::Exactly(500)).unwrap_err().kind(),
            Kind::Checksum,
            "the context forgets"
        );
        for tail in [&[0; 1][..], &[0; 8], b"garbage"] {
            assert!(decode(&[&good, tail].concat(), Expect::Exactly(500)).is_err());
        }
    }

    #[test]
    fn old_formats_are_refused() {
        for magic in [
            0xfd2f_b51e_u32,
            0xfd2f_b522,
            0xfd2f_b523,
            0xfd2f_b524,
            0xfd2f_b525,
            0xfd2f_b526,
            0xfd2f_b527,
        ] {
            for tail in [vec![0; 100], noise(100), encode(&ramp(500))[4..].to_vec()] {
                let frame = [&magic.to_le_bytes()[..], &tail].concat();
                let behind_a_good_one = [encode(b""), frame.clone()].concat();
                for stream in [frame, behind_a_good_one] {
                    assert_eq!(decode(&stream, Expect::Exactly(500)).unwrap_err().kind(), Kind::Codec);
                }
            }
        }
    }

    #[test]
    fn damage_never_leaks_or_breaks() {
        for data in [ramp(600), noise(60), vec![3; 1000]] {
            for checksum in [false, true] {
                let good = codec(19, checksum).encode(Bytes::Borrowed(&data)).unwrap().to_vec();
                let accepted = hostile::torture(&*codec(1, false), &good, data.len());
                assert!(!checksum || accepted <= 14, "{accepted}");
            }
            hostile::torture(&*codec(1, false), &without_content_size(&data), data.len());
        }
        let stream = [&SKIPPABLE, &*encode(&ramp(100)), &*without_content_size(&ramp(200))].concat();
        hostile::torture(&*codec(1, false), &stream, 300);
    }

    #[test]
    fn a_cancelled_call_ends_between_blocks() {
        let data = ramp(2 * BLOCK_NBYTES);
        let flag = Arc::new(AtomicBool::new(true));
        let error = cancel::with(&flag, || codec(3, false).encode(Bytes::Borrowed(&data)).err()).unwrap();
        assert_eq!(error.kind(), Kind::Cancelled);
        roundtrip(&*codec(3, false), &data);
    }

    #[test]
    fn the_name_of_numcodecs() {
        for (configuration, level, checksum) in [
            (json!({}), 0, false),
            (json!({"level": -5, "checksum": true}), -5, true),
            (json!({"level": 25}), 22, false),
            (json!({"level": -131_073}), -131_072, false),
        ] {
            let json = json!({"name": "numcodecs.zstd", "configuration": configuration});
            let alias = compile_bytes_bytes(compile_numcodecs, &json, &spec_of(&[1], 1));
            let data = ramp(5000);
            assert_eq!(roundtrip(&*alias, &data), roundtrip(&*codec(level, checksum), &data));
            let configuration = json!({"level": level, "checksum": checksum});
            assert_eq!(
                alias.to_json(),
                json!({"name": "numcodecs.zstd", "configuration": configuration})
            );
        }
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        let wrong = [
            (json!({}), "level"),
            (json!({"level": 23}), "level"),
            (json!({"level": -131_073}), "level"),
            (json!({"level": true}), "level"),
            (json!({"level": 3, "checksum": 1}), "checksum"),
            (json!({"level": 3, "checksum": null}), "checksum"),
            (json!({"level": 3, "window": 1}), "window"),
        ];
        for (configuration, member) in wrong {
            let json = json!({"name": "zstd", "configuration": configuration});
            let error = compile_error(compile, &json, &spec_of(&[1], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
    }
}
