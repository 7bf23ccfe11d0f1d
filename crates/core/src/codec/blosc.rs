//! `blosc`: C-Blosc 1 buffers: blocks, shuffled by byte or bit, then compressed one by one.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/blosc/index.html>
//!
//! Names: `blosc`; `numcodecs.blosc`, below.
//!
//! ```json
//! {"name": "blosc", "configuration":
//!     {"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}}
//! ```
//!
//! `cname` is one of lz4, lz4hc, blosclz, zstd, snappy, zlib; `clevel` 0 to 9; `shuffle` noshuffle, shuffle or
//! bitshuffle; `blocksize` in bytes, 0 = chosen by blosc. Where `typesize` is absent or null it is the item's size;
//! where `shuffle` is, it is bitshuffle for items of one byte, else shuffle. The evolved document records the choice.
//!
//! `numcodecs.blosc` says `shuffle` in numbers: 0 none, 1 by byte, 2 by bit, -1 by bit for items of one byte, else by byte.
//! Where they are absent, `cname` is lz4, `clevel` 5, `shuffle` 1; an absent `typesize` stays absent in the document.
//!
//! C-Blosc trusts much of what a buffer says of itself and is not told how long the buffer is. So `Buffer::check`
//! follows each offset and size first, and C sees only buffers in which all of them stay inside.
//! Layout of a buffer: <https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst>

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::sync::Arc;

use serde_json::{Value, json};

use super::zstd::frame_nbytes;
use super::{BytesBytesCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::limits::max_compressed_nbytes;
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

const HEADER_NBYTES: usize = blosc_src::BLOSC_MIN_HEADER_LENGTH as usize;
const OVERHEAD: usize = blosc_src::BLOSC_MAX_OVERHEAD as usize;
const MAX_NBYTES: usize = blosc_src::BLOSC_MAX_BUFFERSIZE as usize;

struct Blosc {
    name: &'static str,
    json: Value,
    typesize: usize,
    compressor: Compressor,
    clevel: i32,
    shuffle: Shuffle,
    blocksize: usize,
}

#[derive(Clone, Copy)]
struct Compressor(&'static CStr);

#[derive(Clone, Copy)]
struct Shuffle {
    name: &'static str,
    code: i32,
}

const COMPRESSORS: [Compressor; 6] = [
    Compressor(c"lz4"),
    Compressor(c"lz4hc"),
    Compressor(c"blosclz"),
    Compressor(c"zstd"),
    Compressor(c"snappy"),
    Compressor(c"zlib"),
];

const NO_SHUFFLE: Shuffle = Shuffle {
    name: "noshuffle",
    code: blosc_src::BLOSC_NOSHUFFLE as i32,
};
const BYTE_SHUFFLE: Shuffle = Shuffle {
    name: "shuffle",
    code: blosc_src::BLOSC_SHUFFLE as i32,
};
const BIT_SHUFFLE: Shuffle = Shuffle {
    name: "bitshuffle",
    code: blosc_src::BLOSC_BITSHUFFLE as i32,
};

impl Compressor {
    fn name(self) -> &'static str {
        self.0.to_str().unwrap_or_default()
    }
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["typesize", "cname", "clevel", "shuffle", "blocksize"])?;
    let typesize = parse_typesize(document, spec)?;
    let compressor = parse_compressor(document, None)?;
    let clevel = document.integer("clevel", 0, 9, None)? as i32;
    let shuffle = parse_shuffle(document, spec)?;
    let blocksize = parse_blocksize(document)?;
    Ok(Stage::BytesBytes(Arc::new(Blosc {
        name: "blosc",
        json: json!({"name": "blosc", "configuration": {
            "typesize": typesize,
            "cname": compressor.name(),
            "clevel": clevel,
            "shuffle": shuffle.name,
            "blocksize": blocksize,
        }}),
        typesize,
        compressor,
        clevel,
        shuffle,
        blocksize,
    })))
}

/// `numcodecs.blosc`: other defaults, and numbers for the shuffles.
pub fn compile_numcodecs(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["typesize", "cname", "clevel", "shuffle", "blocksize"])?;
    let typesize = parse_typesize(document, spec)?;
    let shuffle = match document.integer("shuffle", -1, 2, Some(1))? {
        0 => NO_SHUFFLE,
        2 => BIT_SHUFFLE,
        -1 if typesize == 1 => BIT_SHUFFLE,
        _ => BYTE_SHUFFLE,
    };
    Ok(Stage::BytesBytes(Arc::new(Blosc {
        name: "numcodecs.blosc",
        json: document.to_json(),
        typesize,
        compressor: parse_compressor(document, Some(COMPRESSORS[0]))?,
        clevel: document.integer("clevel", 0, 9, Some(5))? as i32,
        shuffle,
        blocksize: parse_blocksize(document)?,
    })))
}

fn parse_blocksize(document: &Document<'_>) -> Result<usize> {
    Ok(document.integer("blocksize", 0, i64::from(i32::MAX), Some(0))? as usize)
}

fn parse_typesize(document: &Document<'_>, spec: &ChunkSpec) -> Result<usize> {
    match document.get("typesize") {
        None | Some(Value::Null) => Ok(stored_item_nbytes(spec)),
        Some(_) => Ok(document.integer("typesize", 1, i64::from(i32::MAX), None)? as usize),
    }
}

/// Items of variable length are stored byte by byte, whatever they take in memory.
fn stored_item_nbytes(spec: &ChunkSpec) -> usize {
    spec.layout.variable().map_or(spec.layout.item_nbytes, |_| 1)
}

fn parse_compressor(document: &Document<'_>, default: Option<Compressor>) -> Result<Compressor> {
    let found = match document.get("cname") {
        None => default,
        Some(name) => COMPRESSORS
            .into_iter()
            .find(|compressor| Some(compressor.name()) == name.as_str()),
    };
    found.ok_or_else(|| document.invalid("cname", "one of lz4, lz4hc, blosclz, zstd, snappy, zlib"))
}

fn parse_shuffle(document: &Document<'_>, spec: &ChunkSpec) -> Result<Shuffle> {
    match document.get("shuffle") {
        None | Some(Value::Null) if stored_item_nbytes(spec) == 1 => Ok(BIT_SHUFFLE),
        None | Some(Value::Null) => Ok(BYTE_SHUFFLE),
        Some(value) => [NO_SHUFFLE, BYTE_SHUFFLE, BIT_SHUFFLE]
            .into_iter()
            .find(|shuffle| Some(shuffle.name) == value.as_str())
            .ok_or_else(|| document.invalid("shuffle", "one of noshuffle, shuffle, bitshuffle")),
    }
}

fn check_nbytes(nbytes: usize) -> Result<()> {
    if nbytes > MAX_NBYTES {
        let detail =
            format!("blosc takes at most {MAX_NBYTES} bytes, the chunk has {nbytes}; use smaller chunks or zstd");
        return Err(Error::limit(detail));
    }
    Ok(())
}

impl Blosc {
    /// `out` has room for the header and a plain copy, so compression cannot fail for want of space.
    fn compress(&self, data: &[u8], out: &mut [u8]) -> Result<usize> {
        // SAFETY: input and output are readable and writable for the lengths given and do not overlap, the name is a
        // C string, and the context form keeps no state outside the call.
        let code = unsafe {
            blosc_src::blosc_compress_ctx(
                self.clevel,
                self.shuffle.code,
                self.typesize,
                data.len(),
                data.as_ptr().cast::<c_void>(),
                out.as_mut_ptr().cast::<c_void>(),
                out.len(),
                self.compressor.0.as_ptr(),
                self.blocksize,
                1,
            )
        };
        usize::try_from(code)
            .ok()
            .filter(|nbytes| (HEADER_NBYTES..=out.len()).contains(nbytes))
            .ok_or_else(|| Error::internal(format!("blosc: cannot compress {} bytes (code {code})", data.len())))
    }
}

impl Codec for Blosc {
    fn name(&self) -> &str {
        self.name
    }

    fn to_json(&self) -> Value {
        self.json.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl BytesBytesCodec for Blosc {
    fn max_encoded_nbytes(&self, nbytes: u64) -> u64 {
        max_compressed_nbytes(nbytes)
    }

    fn encode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        check_nbytes(data.len())?;
        let with_plain_copy = data.len() + OVERHEAD;
        // snappy refuses to start without its worst case, which C-Blosc would answer with a plain copy.
        let worst_case = with_plain_copy
            + if self.compressor.name() == "snappy" {
                data.len() / 6 + 64
            } else {
                0
            };
        let mut out = scratch::take(worst_case.min(i32::MAX as usize))?;
        let mut nbytes = self.compress(&data, &mut out)?;
        if nbytes > with_plain_copy {
            nbytes = self.compress(&data, &mut out[..with_plain_copy])?;
        }
        out.truncate(nbytes);
        Ok(out.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>, expect: Expect) -> Result<Bytes<'a>> {
        let buffer = Buffer::parse(&data)?;
        expect.check(buffer.nbytes)?;
        if buffer.is_plain_copy() {
            buffer.check_plain_copy()?;
            let len = data.len();
            return Ok(data.slice(HEADER_NBYTES, len));
        }
        buffer.check()?;
        buffer.decompress()
    }
}

const PLAIN_COPY: u8 = blosc_src::BLOSC_MEMCPYED as u8;
const RESERVED: u8 = 1 << 3;
const NOT_SPLIT: u8 = 1 << 4;
const ZSTD_FORMAT: u8 = blosc_src::BLOSC_ZSTD_FORMAT as u8;
/// Blocks of more items than this each, and of at most so many bytes an item, are split by byte of the item.
const MIN_SPLIT_NBYTES: usize = 128;
const MAX_SPLITS: usize = 16;

/// A buffer with its header taken apart. What the header says of the whole is checked when it is made.
struct Buffer<'d> {
    data: &'d [u8],
    flags: u8,
    typesize: usize,
    nbytes: usize,
    blocksize: usize,
}

impl<'d> Buffer<'d> {
    fn parse(data: &'d [u8]) -> Result<Self> {
        let Some(&[version, compressor_version, flags, typesize, ref sizes @ ..]) = data.first_chunk::<HEADER_NBYTES>()
        else {
            return Err(Error::truncated(format!(
                "{} bytes are too few for a blosc header",
                data.len()
            )));
        };
        if u32::from(version) != blosc_src::BLOSC_VERSION_FORMAT || flags & RESERVED != 0 {
            return Err(Error::corrupt(format!(
                "blosc format {version} with flags {flags:#04x} is not known"
            )));
        }
        if flags >> 5 > ZSTD_FORMAT || compressor_version != 1 {
            let format = flags >> 5;
            return Err(Error::corrupt(format!(
                "blosc compressor {format}, version {compressor_version}, is not known"
            )));
        }
        let buffer = Buffer {
            data,
            flags,
            typesize: usize::from(typesize),
            nbytes: word(sizes, 0)?,
            blocksize: word(sizes, 4)?,
        };
        buffer.check_sizes(word(sizes, 8)?)?;
        Ok(buffer)
    }

    fn check_sizes(&self, stored_nbytes: usize) -> Result<()> {
        let len = self.data.len();
        if stored_nbytes > len {
            return Err(Error::truncated(format!(
                "{len} bytes of a blosc buffer of {stored_nbytes}"
            )));
        }
        if stored_nbytes < len {
            return Err(Error::corrupt(format!(
                "{len} bytes, where the blosc buffer has {stored_nbytes}"
            )));
        }
        let blocks_fit = (1..=self.nbytes).contains(&self.blocksize) || self.nbytes == 0;
        if self.nbytes > MAX_NBYTES || !blocks_fit || self.typesize == 0 {
            return Err(Error::corrupt(format!(
                "a blosc header of {} bytes in blocks of {}, items of {}",
                self.nbytes, self.blocksize, self.typesize
            )));
        }
        Ok(())
    }

    fn is_plain_copy(&self) -> bool {
        // An empty chunk has no blocks, whatever its flags.
        self.flags & PLAIN_COPY != 0 || self.nbytes == 0
    }

    fn check_plain_copy(&self) -> Result<()> {
        let found = self.data.len() - HEADER_NBYTES;
        if found != self.nbytes {
            return Err(Error::corrupt(format!(
                "a blosc copy of {} bytes holds {found}",
                self.nbytes
            )));
        }
        Ok(())
    }

    /// Follows the table of blocks and in each block the sizes of its splits, as the C decoder will.
    fn check(&self) -> Result<()> {
        let blocks = self.nbytes.div_ceil(self.blocksize);
        let table_end = HEADER_NBYTES + 4 * blocks;
        if table_end > self.data.len() {
            return Err(Error::truncated(format!(
                "the blosc table of {blocks} blocks is cut short"
            )));
        }
        for block in 0..blocks {
            let start = word(self.data, HEADER_NBYTES + 4 * block)?;
            if start < table_end {
                return Err(Error::corrupt(format!(
                    "blosc block {block} starts at byte {start}, inside the table"
                )));
            }
            let block_nbytes = self.blocksize.min(self.nbytes - block * self.blocksize);
            self.check_block(block, start, block_nbytes)?;
        }
        Ok(())
    }

    fn check_block(&self, block: usize, start: usize, block_nbytes: usize) -> Result<()> {
        let splits = self.splits(block_nbytes);
        if !block_nbytes.is_multiple_of(splits) {
            return Err(Error::corrupt(format!(
                "blosc block {block} of {block_nbytes} bytes has {splits} splits"
            )));
        }
        let mut at = start;
        for _ in 0..splits {
            let split_nbytes = word(self.data, at)?;
            at += 4;
            let split = self.data.get(at..).and_then(|rest| rest.get(..split_nbytes));
            let split = split.ok_or_else(|| Error::corrupt(format!("blosc block {block} leaves the buffer")))?;
            if split_nbytes != block_nbytes / splits {
                self.check_split(split)?;
            }
            at += split_nbytes;
        }
        Ok(())
    }

    /// zstd as linked here may still decode the formats of before 0.8, which no blosc wrote: keep them from it.
    fn check_split(&self, split: &[u8]) -> Result<()> {
        if self.flags >> 5 == ZSTD_FORMAT && frame_nbytes(split)? != split.len() {
            return Err(Error::corrupt("a blosc split is not one zstd frame"));
        }
        Ok(())
    }

    /// Into how many streams a block is split: the rule of the C decoder (`blosc_d`).
    fn splits(&self, block_nbytes: usize) -> usize {
        let last_and_shorter = block_nbytes < self.blocksize;
        let large_enough = self.typesize <= MAX_SPLITS && block_nbytes / self.typesize >= MIN_SPLIT_NBYTES;
        if self.flags & NOT_SPLIT == 0 && large_enough && !last_and_shorter {
            self.typesize
        } else {
            1
        }
    }

    /// `check` must have succeeded.
    fn decompress(&self) -> Result<Bytes<'static>> {
        self.probe_memory()?;
        let mut out = scratch::take(self.nbytes)?;
        // SAFETY: `parse` and `check` have made sure that the sizes in the header are those of the buffer and of the
        // output, and that each block and split that C will read lies inside the buffer. The two do not overlap; the
        // context form keeps no state outside the call.
        let nbytes = unsafe {
            blosc_src::blosc_decompress_ctx(
                self.data.as_ptr().cast::<c_void>(),
                out.as_mut_ptr().cast::<c_void>(),
                out.len(),
                1,
            )
        };
        // A smaller number would mean that parts of the buffer were not written.
        if usize::try_from(nbytes) != Ok(self.nbytes) {
            return Err(Error::corrupt("a blosc block is corrupt"));
        }
        Ok(out.into())
    }

    /// C allocates room for two blocks and does not look whether it got it.
    fn probe_memory(&self) -> Result<()> {
        const WORTH_PROBING: usize = 16 << 20;
        if self.blocksize >= WORTH_PROBING {
            let nbytes = 2 * self.blocksize + 4 * self.typesize;
            Vec::<u8>::new()
                .try_reserve_exact(nbytes)
                .map_err(|_| Error::memory(nbytes as u64))?;
        }
        Ok(())
    }
}

/// The 32-bit number at `at`: signed in the format, never negative in a sound buffer.
fn word(data: &[u8], at: usize) -> Result<usize> {
    let bytes = data
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or_else(|| Error::corrupt(format!("a blosc offset or size leads to byte {at} of {}", data.len())))?;
    let number = i32::from_le_bytes(*bytes);
    usize::try_from(number).map_err(|_| Error::corrupt(format!("a blosc offset or size is {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
    use crate::error::Kind;

    const CNAMES: [&str; 6] = ["lz4", "lz4hc", "blosclz", "zstd", "snappy", "zlib"];
    const SHUFFLES: [&str; 3] = ["noshuffle", "shuffle", "bitshuffle"];

    fn codec_of(
        cname: &str,
        clevel: i32,
        shuffle: &str,
        typesize: usize,
        blocksize: usize,
    ) -> Arc<dyn BytesBytesCodec> {
        let json = json!({"name": "blosc", "configuration":
            {"typesize": typesize, "cname": cname, "clevel": clevel, "shuffle": shuffle, "blocksize": blocksize}});
        let codec = compile_bytes_bytes(compile, &json, &spec_of(&[1], 1));
        assert_eq!(codec.to_json(), json);
        codec
    }

    fn kind(codec: &dyn BytesBytesCodec, data: &[u8], nbytes: usize) -> Kind {
        codec
            .decode(Bytes::Borrowed(data), Expect::Exactly(nbytes))
            .err()
            .unwrap()
            .kind()
    }

    #[test]
    fn all_compressors_shuffles_and_sizes() {
        for cname in CNAMES {
            for shuffle in SHUFFLES {
                for (clevel, typesize, blocksize) in
                    [(0, 4, 0), (1, 1, 0), (5, 2, 0), (5, 8, 4096), (9, 3, 1000), (5, 300, 0)]
                {
                    let codec = codec_of(cname, clevel, shuffle, typesize, blocksize);
                    for data in [vec![], vec![7], ramp(127), ramp(129), noise(5000), ramp(300_001)] {
                        let encoded = roundtrip(&*codec, &data);
                        assert!(encoded.len() <= data.len() + 16);
                        assert_eq!(encoded, roundtrip(&*codec, &data));
                    }
                }
                let codec = codec_of(cname, 5, shuffle, 2, 0);
                assert!(
                    codec.encode(Bytes::Borrowed(&ramp(100_000))).unwrap().len() < 70_000,
                    "{cname} {shuffle}"
                );
            }
        }
    }

    #[test]
    fn the_name_of_numcodecs() {
        for (configuration, item_nbytes, same) in [
            (json!({}), 4, codec_of("lz4", 5, "shuffle", 4, 0)),
            (
                json!({"cname": "zstd", "shuffle": 0}),
                4,
                codec_of("zstd", 5, "noshuffle", 4, 0),
            ),
            (
                json!({"clevel": 1, "shuffle": 2}),
                2,
                codec_of("lz4", 1, "bitshuffle", 2, 0),
            ),
            (
                json!({"shuffle": -1, "blocksize": 4096}),
                1,
                codec_of("lz4", 5, "bitshuffle", 1, 4096),
            ),
            (
                json!({"shuffle": -1, "typesize": 8}),
                1,
                codec_of("lz4", 5, "shuffle", 8, 0),
            ),
        ] {
            let json = json!({"name": "numcodecs.blosc", "configuration": configuration});
            let alias = compile_bytes_bytes(compile_numcodecs, &json, &spec_of(&[1], item_nbytes));
            let data = ramp(50_000);
            assert_eq!(roundtrip(&*alias, &data), roundtrip(&*same, &data), "{json}");
        }
        for (member, wrong) in [
            ("shuffle", json!("shuffle")),
            ("shuffle", json!(3)),
            ("cname", json!("lzo")),
            ("cname", json!(null)),
            ("clevel", json!(10)),
            ("typesize", json!(0)),
            ("threads", json!(1)),
        ] {
            let json = json!({"name": "numcodecs.blosc", "configuration": {member: wrong}});
            let error = compile_error(compile_numcodecs, &json, &spec_of(&[1], 4));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
    }

    #[test]
    fn a_plain_copy_is_a_view() {
        let codec = codec_of("lz4", 5, "shuffle", 4, 0);
        let encoded = codec.encode(Bytes::Borrowed(&noise(1000))).unwrap().to_vec();
        assert_eq!(encoded[2] & PLAIN_COPY, PLAIN_COPY);
        let decoded = codec.decode(Bytes::Borrowed(&encoded), Expect::Exactly(1000)).unwrap();
        assert_eq!(decoded.as_ptr(), encoded[16..].as_ptr());
    }

    #[test]
    fn typesize_and_shuffle_are_filled_in() {
        let json = json!({"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5}});
        let null = json!({"name": "blosc", "configuration":
            {"cname": "lz4", "clevel": 5, "typesize": null, "shuffle": null, "blocksize": 0}});
        for (item_nbytes, shuffle) in [(1, "bitshuffle"), (2, "shuffle"), (16, "shuffle")] {
            let evolved = json!({"name": "blosc", "configuration":
                {"typesize": item_nbytes, "cname": "lz4", "clevel": 5, "shuffle": shuffle, "blocksize": 0}});
            for json in [&json, &null] {
                assert_eq!(
                    compile_bytes_bytes(compile, json, &spec_of(&[1], item_nbytes)).to_json(),
                    evolved
                );
            }
        }
    }

    #[test]
    fn more_than_blosc_can_take() {
        assert!(check_nbytes(2_147_483_631).is_ok());
        let error = check_nbytes(2_147_483_632).err().unwrap();
        assert_eq!(error.kind(), Kind::Limit);
        assert!(error.detail().contains("2147483631"), "{error}");
    }

    /// A sound buffer of several split blocks, and one of blocks that are not split.
    fn buffers() -> Vec<(Arc<dyn BytesBytesCodec>, Vec<u8>, usize)> {
        let mut buffers = Vec::new();
        for cname in CNAMES {
            for (shuffle, typesize, blocksize) in [("shuffle", 4, 512), ("bitshuffle", 2, 256), ("noshuffle", 1, 0)] {
                let codec = codec_of(cname, 9, shuffle, typesize, blocksize);
                let data = [ramp(300), vec![0; 1000], ramp(55)].concat();
                let encoded = codec.encode(Bytes::Borrowed(&data)).unwrap().to_vec();
                assert_eq!(encoded[2] & PLAIN_COPY, 0, "{cname} {shuffle}");
                buffers.push((codec, encoded, data.len()));
            }
        }
        buffers
    }

    #[test]
    fn lying_headers() {
        for (codec, good, nbytes) in buffers() {
            let with = |at: usize, value: i32| {
                let mut bad = good.clone();
                bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
                bad
            };
            let len = good.len() as i32;
            let less = kind(&*codec, &with(4, nbytes as i32 - 1), nbytes);
            assert!(matches!(less, Kind::Truncated | Kind::Codec), "{less:?}");
            assert_eq!(kind(&*codec, &with(4, nbytes as i32 + 1), nbytes), Kind::Size);
            assert_eq!(kind(&*codec, &with(4, -1), nbytes), Kind::Codec);
            for blocksize in [0, -1, nbytes as i32 + 1, i32::MAX, i32::MIN] {
                assert_eq!(kind(&*codec, &with(8, blocksize), nbytes), Kind::Codec);
            }
            // One block a byte: the table does not fit.
            assert_eq!(kind(&*codec, &with(8, 1), nbytes), Kind::Truncated);
            assert_eq!(kind(&*codec, &with(12, len + 1), nbytes), Kind::Truncated);
            for stored in [len - 1, 16, 0, -1] {
                assert_eq!(kind(&*codec, &with(12, stored), nbytes), Kind::Codec);
            }
            for start in [0, 16, 19, -1, len, len - 1, len - 3, i32::MAX, i32::MIN] {
                assert_eq!(kind(&*codec, &with(16, start), nbytes), Kind::Codec, "start {start}");
            }
            let first = i32::from_le_bytes(*good[16..].first_chunk().unwrap()) as usize;
            for split in [-1, len, i32::MAX, i32::MIN] {
                assert_eq!(kind(&*codec, &with(first, split), nbytes), Kind::Codec, "split {split}");
            }
            for (at, byte) in [
                (0, 1),
                (0, 3),
                (1, 0),
                (1, 2),
                (2, good[2] | RESERVED),
                (2, 0xe0),
                (3, 0),
            ] {
                let mut bad = good.clone();
                bad[at] = byte;
                assert_eq!(kind(&*codec, &bad, nbytes), Kind::Codec);
            }
            assert_eq!(kind(&*codec, &[&good[..], &[0]].concat(), nbytes), Kind::Codec);
        }
    }

    #[test]
    fn a_plain_copy_that_lies() {
        let codec = codec_of("lz4", 0, "noshuffle", 1, 0);
        let mut bad = codec.encode(Bytes::Borrowed(&noise(200))).unwrap().to_vec();
        bad.pop();
        bad[12] -= 1;
        assert_eq!(kind(&*codec, &bad, 200), Kind::Codec);
        let good = codec.encode(Bytes::Borrowed(&[])).unwrap().to_vec();
        assert_eq!(good.len(), 16);
        assert_eq!(kind(&*codec, &good, 1), Kind::Truncated);
    }

    #[test]
    fn every_cut_is_truncated() {
        for (codec, good, nbytes) in buffers() {
            for cut in 0..good.len() {
                assert_eq!(kind(&*codec, &good[..cut], nbytes), Kind::Truncated);
            }
        }
    }

    #[test]
    fn damage_never_leaks_or_breaks() {
        for (codec, good, nbytes) in buffers() {
            hostile::torture(&*codec, &good, nbytes);
        }
    }

    #[test]
    fn cuts_with_a_header_that_agrees() {
        for (codec, good, nbytes) in buffers() {
            for cut in 16..good.len() {
                let mut bad = good[..cut].to_vec();
                bad[12..16].copy_from_slice(&(cut as i32).to_le_bytes());
                let error = codec
                    .decode(Bytes::Borrowed(&bad), Expect::Exactly(nbytes))
                    .err()
                    .unwrap();
                assert!(matches!(error.kind(), Kind::Codec | Kind::Truncated), "{error}");
            }
        }
    }

    #[test]
    fn old_zstd_inside_is_refused() {
        let codec = codec_of("zstd", 9, "noshuffle", 1, 0);
        let mut bad = codec.encode(Bytes::Borrowed(&ramp(1000))).unwrap().to_vec();
        assert_eq!(bad[24..28], 0xfd2f_b528_u32.to_le_bytes());
        for version in 0x22..=0x27 {
            bad[24] = version;
            let error = codec
                .decode(Bytes::Borrowed(&bad), Expect::Exactly(1000))
                .err()
                .unwrap();
            assert!(error.detail().contains("does not start a zstd frame"), "{error}");
        }
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        let good = json!({"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0});
        let wrong = [
            ("typesize", json!(0)),
            ("typesize", json!("4")),
            ("cname", json!("lzma")),
            ("cname", json!(1)),
            ("clevel", json!(10)),
            ("clevel", json!(-1)),
            ("shuffle", json!(1)),
            ("shuffle", json!("byteshuffle")),
            ("blocksize", json!(-1)),
            ("blocksize", json!(null)),
            ("nthreads", json!(1)),
        ];
        for (member, value) in wrong {
            let mut configuration = good.clone();
            configuration[member] = value;
            let json = json!({"name": "blosc", "configuration": configuration});
            let error = compile_error(compile, &json, &spec_of(&[1], 4));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains(member), "{error}");
        }
        for member in ["cname", "clevel"] {
            let mut configuration = good.clone();
            configuration.as_object_mut().unwrap().remove(member);
            let json = json!({"name": "blosc", "configuration": configuration});
            assert!(
                compile_error(compile, &json, &spec_of(&[1], 4))
                    .detail()
                    .contains(member)
            );
        }
    }
}
