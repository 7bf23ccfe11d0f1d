//! `numcodecs.lzma`: LZMA and LZMA2, in the containers and with the parameters of Python's `lzma`.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.lzma>,
//! <https://tukaani.org/xz/xz-file-format.txt>
//!
//! Names: `numcodecs.lzma`.
//!
//! ```json
//! {"name": "numcodecs.lzma", "configuration": {"format": 1, "check": -1, "preset": 6, "filters": null}}
//! ```
//!
//! - `format`: 1 (where absent) xz, 2 the older .lzma, 3 raw, which needs `filters`; 0 finds out which of the first two it
//!   reads, and cannot write.
//! - `check`, in xz: 0 none, 1 CRC-32, 4 or -1 (where absent) CRC-64, 10 SHA-256.
//! - `preset`: 0 to 9, and 2^31 more for the slower variant; 6 where it is absent or null.
//! - `filters` in place of it: a list of objects with an `id` and the options that Python's `lzma` names.
//!
//! Several streams one behind the other are read, with padding between those of xz.
//!
//! The dictionary that a stream asks for is given if it is not much larger than what may come out; the memory is used as
//! data comes out. No more than the output is ever needed, but encoders do not make it fit.

mod filters;

use std::any::Any;
use std::sync::Arc;

use liblzma::stream::{
    Action, CONCATENATED, Check, Error as LzmaError, IGNORE_CHECK, LzmaOptions, PRESET_EXTREME, Status, Stream,
};
use serde_json::Value;

use filters::{Filter, MIN_DICTIONARY_NBYTES, chain, parse_filters};

use super::output::Output;
use super::stream::{self, Step};
use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Kind, Result};
use crate::limits::{max_compressed_nbytes, verify_checksums};
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

const NAME: &str = "numcodecs.lzma";
/// What presets ask for at most, and some more.
const SPARE_NBYTES: u64 = 128 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Auto,
    Xz,
    Alone,
    Raw,
}

enum Coder {
    Preset(u32),
    Filters(Vec<Filter>),
}

struct Lzma {
    json: Value,
    format: Format,
    check: Check,
    coder: Coder,
}

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["format", "check", "preset", "filters"])?;
    let format = match document.integer("format", 0, 3, Some(1))? {
        0 => Format::Auto,
        1 => Format::Xz,
        2 => Format::Alone,
        _ => Format::Raw,
    };
    let check = parse_check(document, format)?;
    let coder = parse_coder(document, format)?;
    Ok(Stage::BytesBytes(Arc::new(Lzma {
        json: document.to_json(),
        format,
        check,
        coder,
    })))
}

fn parse_check(document: &Document<'_>, format: Format) -> Result<Check> {
    let check = match document.integer("check", -1, 10, Some(-1))? {
        -1 => return Ok(Check::Crc64),
        0 => Check::None,
        1 => Check::Crc32,
        4 => Check::Crc64,
        10 => Check::Sha256,
        _ => return Err(document.invalid("check", "one of -1, 0, 1, 4, 10")),
    };
    if format != Format::Xz && document.get("check").and_then(Value::as_i64) != Some(0) {
        return Err(document.invalid("check", "-1 or 0, as only the format 1 has checks"));
    }
    Ok(check)
}

fn parse_coder(document: &Document<'_>, format: Format) -> Result<Coder> {
    let present = |key| document.get(key).filter(|value| !value.is_null());
    match (present("filters"), present("preset")) {
        (Some(_), Some(_)) => Err(document.invalid("filters", "absent where there is a \"preset\"")),
        (Some(filters), None) => parse_filters(document, filters, format).map(Coder::Filters),
        (None, _) if format == Format::Raw => Err(document.invalid("filters", "a list, as the format 3 needs it")),
        (None, None) => Ok(Coder::Preset(6)),
        (None, Some(preset)) => preset
            .as_u64()
            .and_then(|preset| u32::try_from(preset).ok())
            .filter(|preset| preset & !PRESET_EXTREME <= 9)
            .map(Coder::Preset)
            .ok_or_else(|| document.invalid("preset", "an integer from 0 to 9, or 2^31 more")),
    }
}

impl Lzma {
    fn encoder(&self) -> Result<Stream> {
        let stream = match (self.format, &self.coder) {
            (Format::Auto, _) => {
                return Err(Error::unsupported(
                    "the format 0 of lzma can only be read; 1 (xz), 2 and 3 can be written",
                ));
            }
            (Format::Xz, Coder::Preset(preset)) => Stream::new_easy_encoder(*preset, self.check),
            (Format::Xz, Coder::Filters(filters)) => Stream::new_stream_encoder(&chain(filters, u32::MAX)?, self.check),
            (Format::Alone, Coder::Filters(filters)) => match &filters[..] {
                [Filter::Lzma1(options)] => Stream::new_lzma_encoder(&options.build(u32::MAX)?),
                _ => return Err(Error::internal("lzma: a chain that was checked")),
            },
            (_, Coder::Preset(preset)) => Stream::new_lzma_encoder(&LzmaOptions::new_preset(*preset).map_err(refused)?),
            (Format::Raw, Coder::Filters(filters)) => Stream::new_raw_encoder(&chain(filters, u32::MAX)?),
        };
        stream.map_err(refused)
    }

    fn decoder(&self, limit: usize, verify: bool) -> Result<Stream> {
        let memory = (limit as u64).saturating_add(SPARE_NBYTES);
        let flags = CONCATENATED | if verify { 0 } else { IGNORE_CHECK };
        let stream = match (self.format, &self.coder) {
            (Format::Auto, _) => Stream::new_auto_decoder(memory, flags),
            (Format::Xz, _) => Stream::new_stream_decoder(memory, flags),
            (Format::Raw, Coder::Filters(filters)) => {
                // What comes out is the dictionary: it need not be larger.
                let limit = u32::try_from(limit)
                    .unwrap_or(u32::MAX)
                    .max(MIN_DICTIONARY_NBYTES as u32);
                Stream::new_raw_decoder(&chain(filters, limit)?)
            }
            _ => Stream::new_lzma_decoder(memory),
        };
        stream.map_err(refused)
    }

    fn decode_streams(&self, data: &[u8], expect: Expect, verify: bool) -> Result<Bytes<'static>> {
        let mut output = Output::new(expect, data.len())?;
        let mut rest = data;
        loop {
            let mut decoder = self.decoder(expect.limit(), verify)?;
            rest = stream::run(rest, &mut output, |input, out, last| {
                step(&mut decoder, input, out, last, decode_error)
            })?;
            if rest.is_empty() {
                return output.finish();
            }
        }
    }
}

fn step(coder: &mut Stream, input: &[u8], out: &mut [u8], last: bool, explain: fn(LzmaError) -> Error) -> Result<Step> {
    let (read, written) = (coder.total_in(), coder.total_out());
    let action = if last { Action::Finish } else { Action::Run };
    let status = coder.process(input, out, action).map_err(explain)?;
    Ok(Step {
        read: (coder.total_in() - read) as usize,
        written: (coder.total_out() - written) as usize,
        end: status == Status::StreamEnd,
    })
}

fn refused(error: LzmaError) -> Error {
    match error {
        LzmaError::Mem => Error::new(Kind::Memory, "no memory for lzma"),
        _ => Error::unsupported(format!("liblzma does not take these filters: {error}")),
    }
}

fn decode_error(error: LzmaError) -> Error {
    match error {
        LzmaError::Mem => Error::new(Kind::Memory, "no memory for lzma"),
        LzmaError::MemLimit => Error::limit("the stream asks for a dictionary that is much larger than the chunk"),
        LzmaError::Format => Error::corrupt("this is no stream of the format"),
        LzmaError::Options => Error::corrupt("the stream asks for what liblzma does not know"),
        error => Error::corrupt(format!("the stream or its checksum is wrong: {error}")),
    }
}

impl Codec for Lzma {
    fn name(&self) -> &str {
        NAME
    }

    fn to_json(&self) -> Value {
        self.json.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Lzma {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        let mut encoder = self.encoder()?;
        // It seldom grows: data that cannot be compressed is stored, with little around it.
        let first = data.len() + data.len() / 64 + 256;
        let mut output = Output::with_room(first, Expect::AtMost(first.saturating_mul(4)))?;
        let explain = |error| Error::internal(format!("lzma: {error}"));
        stream::run(&data, &mut output, |input, out, last| {
            step(&mut encoder, input, out, last, explain)
        })?;
        output.finish()
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        self.decode_streams(&data, expect, verify_checksums())
    }
}

#[cfg(test)]
mod tests;
