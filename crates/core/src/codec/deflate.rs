//! DEFLATE by libdeflate, for the formats that wrap it: `gzip` and `numcodecs.zlib`; and the checksums of these.
//!
//! <https://github.com/ebiggers/libdeflate>, RFC 1951

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use libdeflate_sys as ffi;

use super::output::Output;
use super::{Document, context};
use crate::error::{Error, Kind, Result};
use crate::scratch::{self, Bytes};

#[derive(Clone, Copy)]
pub(super) enum Format {
    Gzip,
    Zlib,
}

/// The member `level` as the codecs of numcodecs have it; they hand it to zlib, where -1 means 6.
pub(super) fn numcodecs_level(document: &Document<'_>) -> Result<i32> {
    Ok(document.integer("level", -1, 9, Some(1))? as i32)
}

thread_local! {
    static COMPRESSOR: Cell<Option<Compressor>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<Decompressor>> = const { Cell::new(None) };
}

/// One member or stream of `data`; the level is -1 to 9.
pub(super) fn compress(data: &[u8], level: i32, format: Format) -> Result<Bytes<'static>> {
    let level = if level < 0 { 6 } else { level };
    let kept = context::take(&COMPRESSOR).filter(|kept| kept.level == level);
    let mut compressor = kept.map_or_else(|| Compressor::new(level), Ok)?;
    let encoded = compressor.compress(data, format)?;
    context::put_back(&COMPRESSOR, compressor);
    Ok(encoded)
}

type Bound = unsafe extern "C" fn(*mut ffi::libdeflate_compressor, usize) -> usize;
type Compress =
    unsafe extern "C" fn(*mut ffi::libdeflate_compressor, *const c_void, usize, *mut c_void, usize) -> usize;

struct Compressor {
    raw: NonNull<ffi::libdeflate_compressor>,
    level: i32,
}

impl Compressor {
    fn new(level: i32) -> Result<Self> {
        // SAFETY: a plain constructor; null where there is no memory.
        let raw = unsafe { ffi::libdeflate_alloc_compressor(level) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Compressor { raw, level }),
            None => Err(Error::new(Kind::Memory, "no memory for a DEFLATE compressor")),
        }
    }

    fn compress(&mut self, data: &[u8], format: Format) -> Result<Bytes<'static>> {
        let (compress_bound, compress) = match format {
            Format::Gzip => (
                ffi::libdeflate_gzip_compress_bound as Bound,
                ffi::libdeflate_gzip_compress as Compress,
            ),
            Format::Zlib => (
                ffi::libdeflate_zlib_compress_bound as Bound,
                ffi::libdeflate_zlib_compress as Compress,
            ),
        };
        // SAFETY: `raw` is a live compressor.
        let bound = unsafe { compress_bound(self.raw.as_ptr(), data.len()) };
        let mut out = scratch::take(bound)?;
        // SAFETY: `raw` is a live compressor that this thread alone uses; the input is readable and the output
        // writable for the lengths given, and they do not overlap.
        let nbytes = unsafe {
            compress(
                self.raw.as_ptr(),
                data.as_ptr().cast::<c_void>(),
                data.len(),
                out.as_mut_ptr().cast::<c_void>(),
                out.len(),
            )
        };
        if nbytes == 0 {
            return Err(Error::internal(format!(
                "DEFLATE: {} bytes do not fit in {bound}",
                data.len()
            )));
        }
        out.truncate(nbytes);
        Ok(out.into())
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `libdeflate_alloc_compressor` and is freed once.
        unsafe { ffi::libdeflate_free_compressor(self.raw.as_ptr()) }
    }
}

pub(super) struct Decompressor {
    raw: NonNull<ffi::libdeflate_decompressor>,
}

impl Decompressor {
    fn new() -> Result<Self> {
        // SAFETY: a plain constructor; null where there is no memory.
        let raw = unsafe { ffi::libdeflate_alloc_decompressor() };
        match NonNull::new(raw) {
            Some(raw) => Ok(Decompressor { raw }),
            None => Err(Error::new(Kind::Memory, "no memory for a DEFLATE decompressor")),
        }
    }

    /// The one of this thread.
    pub(super) fn take() -> Result<Self> {
        context::take(&DECOMPRESSOR).map_or_else(Decompressor::new, Ok)
    }

    pub(super) fn put_back(self) {
        context::put_back(&DECOMPRESSOR, self);
    }

    /// Inflates the stream at the start of `data` into the free part of `output`: the bytes read and written.
    pub(super) fn inflate(&mut self, data: &[u8], output: &mut Output) -> Result<(usize, usize)> {
        loop {
            match self.inflate_into(data, output.free())? {
                Some(done) => return Ok(done),
                None => output.grow()?,
            }
        }
    }

    /// None if `out` is too small.
    fn inflate_into(&mut self, data: &[u8], out: &mut [u8]) -> Result<Option<(usize, usize)>> {
        let (mut read, mut written) = (0, 0);
        // SAFETY: `raw` is a live decompressor that this thread alone uses; the input is readable and the output
        // writable for the lengths given, they do not overlap, and both counts have a place to go.
        let code = unsafe {
            ffi::libdeflate_deflate_decompress_ex(
                self.raw.as_ptr(),
                data.as_ptr().cast::<c_void>(),
                data.len(),
                out.as_mut_ptr().cast::<c_void>(),
                out.len(),
                &raw mut read,
                &raw mut written,
            )
        };
        match code {
            ffi::libdeflate_result_LIBDEFLATE_SUCCESS => Ok(Some((read, written))),
            ffi::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Ok(None),
            _ => Err(Error::corrupt("the deflate stream is corrupt or cut short")),
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `libdeflate_alloc_decompressor` and is freed once.
        unsafe { ffi::libdeflate_free_decompressor(self.raw.as_ptr()) }
    }
}

/// That of gzip.
pub(super) fn crc32(data: &[u8]) -> u32 {
    // SAFETY: the pointer is readable for the length given.
    unsafe { ffi::libdeflate_crc32(0, data.as_ptr().cast::<c_void>(), data.len()) }
}

/// That of zlib.
pub(super) fn adler32(data: &[u8]) -> u32 {
    // SAFETY: the pointer is readable for the length given.
    unsafe { ffi::libdeflate_adler32(1, data.as_ptr().cast::<c_void>(), data.len()) }
}
