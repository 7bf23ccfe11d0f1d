//! The chains that are tried: every array-to-array and array-to-bytes codec, over items that it is made for.

use serde_json::{Value, json};
use zarrpipe_core::chain::Chain;
use zarrpipe_core::codec::Stage;
use zarrpipe_core::dtype::{Content, Kind, Layout, Scalar, SwapRun};
use zarrpipe_core::error::Error;
use zarrpipe_core::spec::ChunkSpec;

pub fn unknown(json: &Value, _: &ChunkSpec) -> Result<Stage, Error> {
    Err(Error::unsupported(json.to_string()))
}

pub fn configured(name: &str, configuration: Value) -> Value {
    json!({"name": name, "configuration": configuration})
}

/// Items of a kind by its name on the wire; `opaque` ones are of four bytes that are swapped together.
pub fn spec(kind: &str, shape: &[u64]) -> ChunkSpec {
    let kind = Kind::parse(kind).expect("a kind");
    let opaque = || {
        let run = SwapRun {
            offset: 0,
            nbytes: 4,
            count: 1,
        };
        Layout::new(Kind::Opaque, 4, vec![run]).expect("a layout")
    };
    match kind {
        Kind::Variable(content) => {
            let fill: &[u8] = if content == Content::Utf8 {
                "é".as_bytes()
            } else {
                &[0xff]
            };
            ChunkSpec::variable(shape.to_vec(), content, fill).expect("a spec")
        }
        _ => {
            let layout = Layout::of(kind).unwrap_or_else(opaque);
            let zero = vec![0; layout.item_nbytes];
            ChunkSpec::new(shape.to_vec(), layout, &zero).expect("a spec")
        }
    }
}

/// What Python says of a data type.
fn layout_json(kind: &str) -> Value {
    let layout = spec(kind, &[]).layout;
    let runs = layout.swap_runs.iter();
    let runs: Vec<Value> = runs.map(|run| json!([run.offset, run.nbytes, run.count])).collect();
    json!([kind, layout.item_nbytes, runs])
}

/// The hexadecimal digits of an item that holds an integer.
fn item(kind: &str, value: i64) -> Value {
    let scalar = Scalar::parse(kind).expect("a scalar");
    let bytes = match scalar {
        Scalar::Float32 => (value as f32).to_ne_bytes().to_vec(),
        Scalar::Float64 => (value as f64).to_ne_bytes().to_vec(),
        _ => value.to_ne_bytes()[..scalar.nbytes()].to_vec(),
    };
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}

/// A filter of numcodecs between two data types.
fn filter(name: &str, keys: [&str; 2], kinds: [&str; 2], mut rest: Value) -> Value {
    for (key, kind) in keys.iter().zip(kinds) {
        rest[*key] = kind.into();
        rest[format!("zarrpipe:{key}")] = layout_json(kind);
    }
    configured(name, rest)
}

fn cast(from: &str, to: &str, rest: Value) -> Value {
    let mut configuration = rest;
    configuration["data_type"] = to.into();
    configuration["zarrpipe:layout"] = layout_json(to);
    configuration["zarrpipe:encode"] = json!([[item(from, 1), item(to, 2)]]);
    configuration["zarrpipe:decode"] = json!([[item(to, 2), item(from, 1)]]);
    configured("cast_value", configuration)
}

fn scaled(kind: &str, offset: i64, scale: i64) -> Value {
    let bound = json!({"zarrpipe:offset": item(kind, offset), "zarrpipe:scale": item(kind, scale)});
    configured("scale_offset", bound)
}

fn sharding(chunk_shape: &[u64], codecs: &[Value], location: &str) -> Value {
    let index_codecs = json!([configured("bytes", json!({"endian": "big"}))]);
    let configuration = json!({"chunk_shape": chunk_shape, "codecs": codecs, "index_codecs": index_codecs,
        "index_location": location});
    configured("sharding_indexed", configuration)
}

fn n5(order: &[u64], compressor: Option<Value>) -> Value {
    let mut codecs = vec![
        configured("transpose", json!({"order": order})),
        configured("bytes", json!({"endian": "big"})),
    ];
    codecs.extend(compressor);
    configured("n5_default", json!({"codecs": codecs}))
}

fn vlen(index: Value, data: Value, wide: bool, location: &str) -> Value {
    let data_type = if wide { "uint64" } else { "uint32" };
    let configuration = json!({"index_codecs": index, "data_codecs": data, "index_data_type": data_type,
        "index_location": location});
    configured("zarrs.vlen", configuration)
}

type Documents = (&'static str, &'static [u64], Vec<Value>);

/// Chains over items as they are stored.
fn plain(big: &Value, little: &Value) -> Vec<Documents> {
    let transposed = configured("transpose", json!({"order": [2, 0, 1]}));
    vec![
        ("opaque", &[8, 6], vec![big.clone()]),
        ("complex:float32", &[8, 6], vec![big.clone()]),
        ("bool", &[9, 5], vec![little.clone()]),
        ("int4", &[9, 5], vec![little.clone()]),
        ("float6_e3m2fn", &[3, 2, 7], vec![transposed.clone(), little.clone()]),
        ("complex:float4_e2m1fn", &[7], vec![little.clone()]),
        (
            "uint16",
            &[2, 3, 4],
            vec![transposed, big.clone(), json!("numcodecs.zlib")],
        ),
        // Large enough to be decoded only as far as is needed.
        (
            "float64",
            &[64, 512],
            vec![
                little.clone(),
                configured("zstd", json!({"level": 1, "checksum": false})),
            ],
        ),
        (
            "uint8",
            &[512, 512],
            vec![little.clone(), configured("gzip", json!({"level": 1}))],
        ),
        (
            "uint16",
            &[256, 512],
            vec![
                little.clone(),
                configured(
                    "blosc",
                    json!({"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 2, "blocksize": 4096}),
                ),
            ],
        ),
        ("int8", &[0, 3], vec![little.clone()]),
        ("int8", &[], vec![little.clone(), json!("crc32c")]),
    ]
}

fn serializers(little: &Value) -> Vec<Documents> {
    let padded = |name: &str| configured("packbits", json!({"padding_encoding": name}));
    let bits = json!({"padding_encoding": "last_byte", "first_bit": 2, "last_bit": 10});
    vec![
        ("bool", &[9, 5], vec![padded("first_byte")]),
        ("int2", &[9, 5], vec![padded("last_byte")]),
        ("float6_e2m3fn", &[9, 5], vec![padded("none")]),
        (
            "int16",
            &[9, 5],
            vec![configured("packbits", bits), json!("numcodecs.zlib")],
        ),
        ("complex:float4_e2m1fn", &[9], vec![padded("first_byte")]),
        ("bool", &[9, 5], vec![json!("numcodecs.packbits"), little.clone()]),
        (
            "bool",
            &[8],
            vec![json!("numcodecs.packbits"), little.clone(), json!("numcodecs.lz4")],
        ),
        ("uint32", &[8, 6], vec![json!("pcodec")]),
        (
            "float64",
            &[500],
            vec![configured("numcodecs.pcodec", json!({"equal_pages_up_to": 100}))],
        ),
        ("complex:float32", &[8, 6], vec![json!("pcodec")]),
        ("int16", &[0], vec![json!("pcodec")]),
        ("uint16", &[4, 6], vec![n5(&[1, 0], None)]),
        (
            "float64",
            &[2, 3, 4],
            vec![n5(&[2, 1, 0], Some(configured("gzip", json!({"level": 1}))))],
        ),
        ("int8", &[16], vec![n5(&[0], Some(json!("numcodecs.lz4")))]),
        ("string", &[4, 3], vec![json!("vlen-utf8")]),
        ("bytes", &[4, 3], vec![json!("vlen-bytes"), json!("numcodecs.zlib")]),
        ("bytes", &[5], vec![json!("zarrs.vlen_v2"), json!("crc32c")]),
        ("string", &[0], vec![json!("vlen-utf8")]),
        (
            "string",
            &[4, 3],
            vec![vlen(json!([little]), json!(["bytes"]), false, "start")],
        ),
        (
            "bytes",
            &[4, 3],
            vec![vlen(
                json!([little, "numcodecs.zlib"]),
                json!(["bytes", "numcodecs.lz4"]),
                true,
                "end",
            )],
        ),
        (
            "bytes",
            &[6],
            vec![
                vlen(json!(["pcodec"]), json!(["bytes"]), true, "start"),
                json!("numcodecs.lz4"),
            ],
        ),
        (
            "string",
            &[2, 6],
            vec![
                configured("transpose", json!({"order": [1, 0]})),
                configured("reshape", json!({"shape": [-1]})),
                json!("vlen-utf8"),
            ],
        ),
    ]
}

fn shards(big: &Value, little: &Value) -> Vec<Documents> {
    let packed = sharding(
        &[3, 1],
        &[configured("packbits", json!({"padding_encoding": "first_byte"}))],
        "end",
    );
    let inner = sharding(&[2, 1], &[big.clone(), json!("crc32c")], "start");
    vec![
        (
            "opaque",
            &[8, 6],
            vec![sharding(&[4, 3], &[big.clone(), json!("numcodecs.lz4")], "end")],
        ),
        (
            "opaque",
            &[8, 6],
            vec![sharding(&[4, 3], &[big.clone()], "start"), json!("crc32c")],
        ),
        ("uint8", &[7, 5], vec![sharding(&[7, 1], &[little.clone()], "end")]),
        ("bool", &[9, 5], vec![packed]),
        ("int16", &[8, 6], vec![sharding(&[4, 2], &[inner], "end")]),
        ("string", &[4, 6], vec![sharding(&[2, 3], &[json!("vlen-utf8")], "end")]),
        (
            "uint16",
            &[4, 6],
            vec![sharding(&[2, 3], &[n5(&[1, 0], None)], "start")],
        ),
        (
            "float32",
            &[6, 4],
            vec![
                configured("transpose", json!({"order": [1, 0]})),
                sharding(&[2, 3], &[json!("pcodec")], "end"),
            ],
        ),
        (
            "int32",
            &[6, 4],
            vec![
                configured("reshape", json!({"shape": [24]})),
                sharding(&[6], &[little.clone(), json!("numcodecs.zlib")], "end"),
            ],
        ),
    ]
}

fn computing(little: &Value) -> Vec<Documents> {
    let delta = |kinds| filter("numcodecs.delta", ["dtype", "astype"], kinds, json!({}));
    let fixed = |kinds, rest| filter("numcodecs.fixedscaleoffset", ["dtype", "astype"], kinds, rest);
    let astype = |kinds| filter("numcodecs.astype", ["decode_dtype", "encode_dtype"], kinds, json!({}));
    let quantize = filter(
        "numcodecs.quantize",
        ["dtype", "astype"],
        ["float64", "float32"],
        json!({"digits": 3}),
    );
    let bytes = |codec: Value| vec![codec, little.clone()];
    let clamp = json!({"out_of_range": "clamp", "rounding": "towards-zero"});
    vec![
        ("int32", &[8, 6], bytes(cast("int32", "float32", json!({})))),
        ("int8", &[8, 6], bytes(cast("int8", "float64", clamp.clone()))),
        ("float32", &[8, 6], bytes(cast("float32", "int8", clamp))),
        (
            "uint16",
            &[8, 6],
            bytes(cast("uint16", "int64", json!({"out_of_range": "wrap"}))),
        ),
        ("float32", &[8, 6], bytes(cast("float32", "float64", json!({})))),
        ("int16", &[8, 6], bytes(delta(["int16", "int8"]))),
        ("float32", &[8, 6], bytes(delta(["float32", "int64"]))),
        (
            "complex:float32",
            &[8, 6],
            bytes(delta(["complex:float32", "complex:float64"])),
        ),
        (
            "float64",
            &[8, 6],
            bytes(fixed(["float64", "uint8"], json!({"offset": 1000, "scale": 10}))),
        ),
        (
            "int32",
            &[8, 6],
            bytes(fixed(["int32", "int16"], json!({"offset": -5, "scale": 0}))),
        ),
        (
            "uint8",
            &[8, 6],
            bytes(fixed(["uint8", "float32"], json!({"offset": 0.5, "scale": 1e300}))),
        ),
        ("float64", &[8, 6], bytes(astype(["float64", "int8"]))),
        ("int8", &[8, 6], bytes(astype(["int8", "float64"]))),
        ("int32", &[8, 6], bytes(scaled("int32", 5, 3))),
        ("uint8", &[8, 6], bytes(scaled("uint8", 0, 255))),
        ("int64", &[8, 6], bytes(scaled("int64", i64::MAX, -1))),
        ("float32", &[8, 6], bytes(scaled("float32", -1, 7))),
        ("float64", &[8, 6], bytes(quantize)),
        (
            "float32",
            &[8, 6],
            bytes(configured("bitround", json!({"keepbits": 3}))),
        ),
        (
            "uint16",
            &[4, 1, 6],
            bytes(configured("reshape", json!({"shape": [[0, 1], 2, -1]}))),
        ),
        ("uint16", &[4, 1, 6], bytes(json!("zarrs.squeeze"))),
    ]
}

/// Every chain, with its documents for messages.
pub fn chains() -> Vec<(String, Chain)> {
    let order = |endian: &str| configured("bytes", json!({"endian": endian}));
    let (big, little) = (order("big"), order("little"));
    let all = [
        plain(&big, &little),
        serializers(&little),
        shards(&big, &little),
        computing(&little),
    ];
    let compile = |(kind, shape, codecs): Documents| {
        let name = format!("{kind} {shape:?} {}", json!(codecs));
        let chain = Chain::compile(&codecs, spec(kind, shape), 0, &unknown);
        let chain = chain.unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, chain)
    };
    all.into_iter().flatten().map(compile).collect()
}
