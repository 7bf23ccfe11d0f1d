//! `numcodecs.bz2`: bzip2 streams.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.bz2>, <https://sourceware.org/bzip2/>
//!
//! Names: `numcodecs.bz2`.
//!
//! ```json
//! {"name": "numcodecs.bz2", "configuration": {"level": 1}}
//! ```
//!
//! `level` is 1 (where it is absent) to 9: blocks of so many times 100 kB. One stream is written; several, one behind
//! the other, are read. The checksums of the format are always verified.

use std::any::Any;
use std::sync::Arc;

use bzip2::{Action, Compress, Compression, Decompress, Status};
use serde_json::{Value, json};

use super::output::Output;
use super::stream::{self, Step};
use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Kind, Result};
use crate::limits::max_compressed_nbytes;
use crate::scratch::Bytes;
use crate::spec::ChunkSpec;

const NAME: &str = "numcodecs.bz2";

struct Bz2 {
    level: u32,
}

pub fn compile(document: &Document<'_>, _spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["level"])?;
    let level = document.integer("level", 1, 9, Some(1))? as u32;
    Ok(Stage::BytesBytes(Arc::new(Bz2 { level })))
}

impl Codec for Bz2 {
    fn name(&self) -> &str {
        NAME
    }

    fn to_json(&self) -> Value {
        json!({"name": NAME, "configuration": {"level": self.level}})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Bz2 {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        // The bound that the library documents.
        let bound = data.len() + data.len() / 100 + 600;
        let mut output = Output::with_room(bound, Expect::AtMost(bound))?;
        let mut encoder = Compress::new(Compression::new(self.level), 0);
        stream::run(&data, &mut output, |input, out, last| {
            let (read, written) = (encoder.total_in(), encoder.total_out());
            let action = if last { Action::Finish } else { Action::Run };
            let status = encoder
                .compress(input, out, action)
                .map_err(|error| Error::internal(format!("bz2: {error}")))?;
            Ok(Step {
                read: (encoder.total_in() - read) as usize,
                written: (encoder.total_out() - written) as usize,
                end: check(status)? == Status::StreamEnd,
            })
        })?;
        output.finish()
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        let mut output = Output::new(expect, data.len())?;
        let mut rest = decode_stream(&data, &mut output)?;
        while !rest.is_empty() {
            rest = decode_stream(rest, &mut output)?;
        }
        output.finish()
    }
}

/// Decodes the stream at the start of `data`. Gives what is behind it.
fn decode_stream<'d>(data: &'d [u8], output: &mut Output) -> Result<&'d [u8]> {
    let mut decoder = Decompress::new(false);
    stream::run(data, output, |input, out, _| {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(input, out).map_err(|error| match error {
            bzip2::Error::DataMagic => Error::corrupt("this is no bzip2 stream"),
            _ => Error::corrupt("a bzip2 block is corrupt"),
        })?;
        Ok(Step {
            read: (decoder.total_in() - read) as usize,
            written: (decoder.total_out() - written) as usize,
            end: check(status)? == Status::StreamEnd,
        })
    })
}

fn check(status: Status) -> Result<Status> {
    match status {
        Status::MemNeeded => Err(Error::new(Kind::Memory, "no memory for bzip2")),
        status => Ok(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
    use std::sync::atomic::AtomicBool;

    fn codec(level: i32) -> Arc<dyn BytesBytesCodec> {
        let json = json!({"name": NAME, "configuration": {"level": level}});
        compile_bytes_bytes(compile, &json, &spec_of(&[1], 1))
    }

    fn encode(data: &[u8]) -> Vec<u8> {
        codec(1).encode(Bytes::Borrowed(data)).unwrap().to_vec()
    }

    fn decode(data: &[u8], expect: Expect) -> Result<Vec<u8>> {
        codec(1).decode(Bytes::Borrowed(data), expect).map(|out| out.to_vec())
    }

    /// `python3 -c "import bz2; print(bz2.compress(b'hello', 1).hex())"`
    const HELLO: [u8; 41] = [
        0x42, 0x5a, 0x68, 0x31, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0x19, 0x31, 0x65, 0x3d, 0x00, 0x00, 0x00, 0x81,
        0x00, 0x02, 0x44, 0xa0, 0x00, 0x21, 0x9a, 0x68, 0x33, 0x4d, 0x07, 0x33, 0x8b, 0xb9, 0x22, 0x9c, 0x28, 0x48,
        0x0c, 0x98, 0xb2, 0x9e, 0x80,
    ];

    #[test]
    fn levels_and_sizes() {
        for level in [1, 2, 9] {
            for data in [
                vec![],
                vec![7],
                noise(5000),
                ramp(300_000),
                noise(250_000),
                vec![3; 1 << 20],
            ] {
                roundtrip(&*codec(level), &data);
            }
        }
        assert_eq!(codec(3).to_json(), json!({"name": NAME, "configuration": {"level": 3}}));
        let absent = compile_bytes_bytes(compile, &json!({"name": NAME}), &spec_of(&[1], 1));
        assert_eq!(absent.to_json(), codec(1).to_json());
    }

    #[test]
    fn the_bytes_of_another_library() {
        assert_eq!(encode(b"hello"), HELLO);
        assert_eq!(decode(&HELLO, Expect::Exactly(5)).unwrap(), b"hello");
    }

    #[test]
    fn several_streams_are_one() {
        let parts = [ramp(170_000), vec![], noise(10), ramp(200_000)];
        let encoded: Vec<u8> = parts.iter().flat_map(|part| encode(part)).collect();
        let whole = parts.concat();
        for expect in [
            Expect::Exactly(whole.len()),
            Expect::AtMost(whole.len()),
            Expect::AtMost(1 << 30),
        ] {
            assert!(decode(&encoded, expect).unwrap() == whole);
        }
        for expect in [Expect::Exactly(whole.len() - 1), Expect::AtMost(100_000)] {
            assert_eq!(decode(&encoded, expect).unwrap_err().kind(), Kind::Size);
        }
        for tail in [&[0][..], &[0; 64], b"garbage that is long enough", &HELLO[..9]] {
            let error = decode(&[&HELLO, tail].concat(), Expect::Exactly(5)).unwrap_err();
            assert!(matches!(error.kind(), Kind::Codec | Kind::Truncated), "{error}");
        }
    }

    #[test]
    fn kinds_of_damage() {
        for cut in 0..HELLO.len() {
            let error = decode(&HELLO[..cut], Expect::Exactly(5)).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{cut}");
        }
        for at in [0, 5, 12, 30, 37] {
            let mut bad = HELLO;
            bad[at] ^= 1;
            let error = decode(&bad, Expect::Exactly(5)).unwrap_err();
            assert!(matches!(error.kind(), Kind::Codec | Kind::Truncated), "{at}: {error}");
        }
    }

    #[test]
    fn damage_anywhere_is_found() {
        for data in [ramp(600), noise(60)] {
            let good = encode(&data);
            // Among the code lengths are those of symbols that do not occur.
            let accepted = hostile::nothing_wrong_is_accepted(&*codec(1), &good, &data);
            assert!(accepted <= good.len(), "{accepted}");
            hostile::torture(&*codec(1), &good, data.len());
        }
        hostile::torture(&*codec(1), &[encode(&noise(20)), HELLO.to_vec()].concat(), 25);
    }

    #[test]
    fn a_bomb_costs_its_limit_and_no_more() {
        let bomb = encode(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        for expect in [Expect::Exactly(1000), Expect::AtMost(1000), Expect::AtMost(1 << 20)] {
            assert_eq!(decode(&bomb, expect).unwrap_err().kind(), Kind::Size);
        }
    }

    #[test]
    fn a_cancelled_call_ends_between_blocks() {
        let data = ramp(100_000);
        let flag = Arc::new(AtomicBool::new(true));
        let encoded = encode(&data);
        let errors = cancel::with(&flag, || {
            [
                codec(1).encode(Bytes::Borrowed(&data)).err(),
                decode(&encoded, Expect::Exactly(data.len())).err(),
            ]
        });
        for error in errors {
            assert_eq!(error.unwrap().kind(), Kind::Cancelled);
        }
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        for (member, wrong) in [("level", json!(0)), ("level", json!(10)), ("small", json!(true))] {
            let json = json!({"name": NAME, "configuration": {member: wrong}});
            let error = compile_error(compile, &json, &spec_of(&[1], 1));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
    }
}
