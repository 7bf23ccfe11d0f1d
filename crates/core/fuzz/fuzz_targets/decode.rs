//! Arbitrary bytes through every built-in codec: each ends in an error or in as many bytes as were expected.
//!
//! The first byte of the input chooses the codec or, from 128 on, the chain; the second says what is expected: how many
//! bytes of a codec, all items of a chain or, where it is odd, a piece of them that the next bytes choose. The others are
//! decoded. Bytes behind a codec and 0xff are encoded first, and must come back.

#![no_main]

mod chains;
mod pieces;

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::codec::{self, BytesBytesCodec, Expect, Stage};
use zarrpipe_core::limits;
use zarrpipe_core::scratch::Bytes;

use chains::{configured, spec, unknown};
use pieces::Wanted;

/// The items of which bytes-to-bytes codecs are told.
const ITEM_NBYTES: usize = 4;

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
        json!("n5_lz4"),
        configured("numcodecs.gzip", json!({"level": 1})),
        configured("numcodecs.zstd", json!({"level": 1})),
        configured(
            "numcodecs.blosc",
            json!({"cname": "zstd", "clevel": 5, "shuffle": 1, "blocksize": 0}),
        ),
    ]
}

static COMPRESSORS: LazyLock<Vec<(String, Arc<dyn BytesBytesCodec>)>> = LazyLock::new(|| {
    limits::set_max_chunk_nbytes(1 << 20);
    let compile = |json: Value| match codec::compile(&json, &spec("opaque", &[8, 6]), 0, &unknown).expect("a document")
    {
        Stage::BytesBytes(codec) => (json.to_string(), codec),
        _ => unreachable!(),
    };
    compressors().into_iter().map(compile).collect()
});
static CHAINS: LazyLock<Vec<(String, Chain)>> = LazyLock::new(chains::chains);

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

fn decode_chain(name: &str, chain: &Chain, data: &[u8]) {
    let Ok(items) = chain.decode(Bytes::Borrowed(data)) else {
        return;
    };
    assert!(chain.spec().layout.variable().is_some() || items.len() as u64 == chain.spec().nbytes());
    // Items that a codec that computes has made need not have an encoded form.
    let Ok(again) = chain.encode(&items, Encoding { keep_empty: true }) else {
        assert!(
            chain.serializer_position() > 0,
            "{name}: what was decoded cannot be encoded"
        );
        return;
    };
    let again = again.expect("empty chunks are kept");
    let again = chain
        .decode(again)
        .unwrap_or_else(|e| panic!("{name}: what was encoded cannot be decoded: {e}"));
    let exact = chain.spec_before(chain.serializer_position()).layout == chain.spec().layout && !name.contains("scale");
    assert!(!exact || name.contains("round") || *again == *items, "{name}");
}

fuzz_target!(|input: &[u8]| {
    let [which, choice, data @ ..] = input else { return };
    limits::set_max_chunk_nbytes(1 << 20);
    let n = usize::from(*which);
    if n < 128 {
        let (name, codec) = &COMPRESSORS[n % COMPRESSORS.len()];
        match choice {
            0xff => roundtrip(name, &**codec, data),
            choice => decode(&**codec, data, *choice),
        }
        return;
    }
    let (name, chain) = &CHAINS[(n - 128) % CHAINS.len()];
    if *choice % 2 == 0 {
        return decode_chain(name, chain, data);
    }
    // Above, the rest of the choice is the number of bytes that choose the piece.
    let (mut chosen, data) = data.split_at(data.len().min(usize::from(*choice / 2) % 24));
    Wanted::parse(&mut chosen, chain).read(name, chain, data);
});
