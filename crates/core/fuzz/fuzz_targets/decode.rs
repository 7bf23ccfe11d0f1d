//! Arbitrary bytes through every built-in codec: each ends in an error or in as many bytes as were expected.
//!
//! The first byte of the input chooses the codec and the second what is expected; the others are decoded. With another
//! choice they are encoded first, and must come back.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::codec::{self, BytesBytesCodec, Expect, Stage};
use zarrpipe_core::dtype::{Kind, Layout, SwapRun};
use zarrpipe_core::error::Error;
use zarrpipe_core::limits;
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::spec::ChunkSpec;

const ITEM_NBYTES: usize = 4;
const SHAPE: [u64; 2] = [8, 6];

fn spec() -> ChunkSpec {
    let run = SwapRun {
        offset: 0,
        nbytes: ITEM_NBYTES,
        count: 1,
    };
    let layout = Layout::new(Kind::Opaque, ITEM_NBYTES, vec![run]).expect("a layout");
    ChunkSpec::new(SHAPE.to_vec(), layout, &[0; ITEM_NBYTES]).expect("a spec")
}

fn configured(name: &str, configuration: Value) -> Value {
    json!({"name": name, "configuration": configuration})
}

/// Every bytes-to-bytes codec, in each of its formats.
fn compressors() -> Vec<Value> {
    let lzma2 = json!({"id": 0x21, "dict_size": 4096});
    let lzma1 = json!({"id": 0x4000_0000_0000_0001_i64, "dict_size": 4096});
    vec![
        configured("gzip", json!({"level": 1})),
        configured("zstd", json!({"level": 1, "checksum": true})),
        configured(
            "blosc",
            json!({"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4}),
        ),
        configured(
            "blosc",
            json!({"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle", "typesize": 2}),
        ),
        configured(
            "blosc",
            json!({"cname": "snappy", "clevel": 5, "shuffle": "noshuffle", "typesize": 1}),
        ),
        configured(
            "blosc",
            json!({"cname": "blosclz", "clevel": 5, "shuffle": "shuffle", "typesize": 8}),
        ),
        configured(
            "blosc",
            json!({"cname": "zlib", "clevel": 5, "shuffle": "shuffle", "typesize": 4}),
        ),
        json!("crc32c"),
        configured(
            "conditional",
            json!({"codecs": ["numcodecs.shuffle", "numcodecs.lz4", "crc32c"]}),
        ),
        json!("numcodecs.adler32"),
        json!("numcodecs.bz2"),
        configured("numcodecs.crc32", json!({"location": "end"})),
        configured("numcodecs.crc32c", json!({"location": "start"})),
        json!("numcodecs.fletcher32"),
        configured("numcodecs.jenkins_lookup3", json!({"prefix": [1, 2, 3]})),
        json!("numcodecs.lz4"),
        configured("numcodecs.lzma", json!({"preset": 0})),
        configured("numcodecs.lzma", json!({"format": 2, "filters": [lzma1]})),
        configured("numcodecs.lzma", json!({"format": 3, "filters": [lzma1]})),
        configured(
            "numcodecs.lzma",
            json!({"format": 3, "filters": [{"id": 3, "dist": 2}, {"id": 4}, lzma2]}),
        ),
        configured(
            "numcodecs.lzma",
            json!({"format": 1, "check": 0, "filters": [{"id": 10}, lzma2]}),
        ),
        json!("numcodecs.shuffle"),
        json!("numcodecs.zlib"),
    ]
}

/// Chains that end in an array-to-bytes codec.
fn chains() -> Vec<Vec<Value>> {
    let bytes = configured("bytes", json!({"endian": "big"}));
    let sharding = |codecs: Value, location: &str| {
        configured(
            "sharding_indexed",
            json!({"chunk_shape": [4, 3], "codecs": codecs, "index_codecs": [bytes, "crc32c"],
                "index_location": location}),
        )
    };
    vec![
        vec![bytes.clone()],
        vec![
            configured("transpose", json!({"order": [1, 0]})),
            bytes.clone(),
            json!("numcodecs.zlib"),
        ],
        vec![sharding(json!([bytes, "numcodecs.lz4"]), "end")],
        vec![sharding(json!([bytes]), "start"), json!("crc32c")],
    ]
}

fn unknown(json: &Value, _: &ChunkSpec) -> Result<Stage, Error> {
    Err(Error::unsupported(json.to_string()))
}

static COMPRESSORS: LazyLock<Vec<(String, std::sync::Arc<dyn BytesBytesCodec>)>> = LazyLock::new(|| {
    limits::set_max_chunk_nbytes(1 << 20);
    let compile = |json: Value| match codec::compile(&json, &spec(), 0, &unknown).expect("a document") {
        Stage::BytesBytes(codec) => (json.to_string(), codec),
        _ => unreachable!(),
    };
    compressors().into_iter().map(compile).collect()
});
static CHAINS: LazyLock<Vec<Chain>> = LazyLock::new(|| {
    let compile = |codecs: Vec<Value>| Chain::compile(&codecs, spec(), 0, &unknown).expect("a chain");
    chains().into_iter().map(compile).collect()
});

fn decode(codec: &dyn BytesBytesCodec, data: &[u8], choice: u8) {
    let expect = match choice {
        0 => Expect::AtMost(1 << 20),
        1 => Expect::AtMost(100),
        n => Expect::Exactly(2 * usize::from(n)),
    };
    let Ok(out) = codec.decode(Bytes::Borrowed(data), expect) else {
        return;
    };
    match expect {
        Expect::Exactly(nbytes) => assert_eq!(out.len(), nbytes),
        Expect::AtMost(nbytes) => assert!(out.len() <= nbytes),
    }
}

fn roundtrip(name: &str, codec: &dyn BytesBytesCodec, data: &[u8]) {
    match codec.encode(Bytes::Borrowed(data)) {
        Ok(encoded) => {
            assert!(
                encoded.len() as u64 <= codec.max_encoded_nbytes(data.len() as u64),
                "{name}"
            );
            let decoded = codec
                .decode(encoded, Expect::Exactly(data.len()))
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(*decoded == *data, "{name}");
        }
        Err(_) => assert!(
            name.contains("shuffle") && !data.len().is_multiple_of(ITEM_NBYTES),
            "{name}"
        ),
    }
}

fuzz_target!(|input: &[u8]| {
    let [which, choice, data @ ..] = input else { return };
    let (which, codecs, chains) = (usize::from(*which), &*COMPRESSORS, &*CHAINS);
    if let Some((name, codec)) = codecs.get(which % 32) {
        match choice {
            0xff => roundtrip(name, &**codec, data),
            choice => decode(&**codec, data, *choice),
        }
    } else if let Some(chain) = chains.get(which % 32 - codecs.len()) {
        if let Ok(items) = chain.decode(Bytes::Borrowed(data)) {
            assert_eq!(items.len() as u64, spec().nbytes());
            let again = chain
                .encode(&items, Encoding { keep_empty: true })
                .expect("what was decoded can be encoded");
            let again = again.expect("empty chunks are kept");
            assert!(*chain.decode(again).expect("what was encoded can be decoded") == *items);
        }
    }
});
