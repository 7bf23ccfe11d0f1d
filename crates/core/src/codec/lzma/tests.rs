use super::*;
use crate::codec::hostile::{self, compile_bytes_bytes, compile_error, noise, ramp, roundtrip, spec_of};
use serde_json::json;

fn codec(configuration: &Value) -> Arc<dyn BytesBytesCodec> {
    let json = json!({"name": NAME, "configuration": configuration});
    compile_bytes_bytes(compile, &json, &spec_of(&[1], 1))
}

fn encode(configuration: &Value, data: &[u8]) -> Vec<u8> {
    codec(configuration).encode(Bytes::Borrowed(data)).unwrap().to_vec()
}

fn decode(configuration: &Value, data: &[u8], expect: Expect) -> Result<Vec<u8>> {
    codec(configuration)
        .decode(Bytes::Borrowed(data), expect)
        .map(|out| out.to_vec())
}

const LZMA1: i64 = 0x4000_0000_0000_0001;

fn configurations() -> Vec<Value> {
    let small = json!({"id": 0x21, "dict_size": 4096});
    let mut all = vec![
        json!({"preset": 0}),
        json!({"format": 1, "check": -1, "preset": null, "filters": null}),
        json!({"format": 1, "check": 0, "preset": 1}),
        json!({"check": 1, "preset": 1}),
        json!({"check": 4, "preset": 1}),
        json!({"check": 10, "preset": 0x8000_0000_u32}),
        json!({"format": 2, "preset": 0}),
        json!({"format": 2, "check": 0, "filters": [{"id": LZMA1, "dict_size": 4096}]}),
        json!({"format": 3, "filters": [{"id": LZMA1, "dict_size": 65536, "lc": 0, "lp": 2, "pb": 2}]}),
        json!({"format": 3, "filters": [{"id": 3, "dist": 2}, {"id": 0x21, "preset": 1, "mode": 1, "mf": 4,
            "nice_len": 64, "depth": 10}]}),
        json!({"format": 3, "filters": [{"id": 3}, {"id": 4, "start_offset": 16}, small]}),
        json!({"format": 1, "check": 0, "filters": [{"id": 3, "dist": 256}, small]}),
    ];
    // Of each architecture.
    all.extend((4..=0xb).map(|id| json!({"format": 1, "filters": [{"id": id}, small]})));
    all
}

#[test]
fn configurations_and_sizes() {
    for configuration in configurations() {
        let codec = codec(&configuration);
        for data in [vec![], vec![7], ramp(100_000), noise(100_000)] {
            roundtrip(&*codec, &data);
        }
        assert_eq!(codec.to_json()["configuration"], configuration);
        assert!(roundtrip(&*codec, &ramp(40_000)).len() < 8000, "{configuration}");
    }
}

#[test]
fn several_streams_are_one() {
    let parts = [ramp(70_000), vec![], noise(10), ramp(200_000)];
    let whole = parts.concat();
    for configuration in [
        json!({"preset": 0}),
        json!({"format": 2, "preset": 0}),
        configurations()[9].clone(),
    ] {
        let encoded: Vec<u8> = parts.iter().flat_map(|part| encode(&configuration, part)).collect();
        for expect in [
            Expect::Exactly(whole.len()),
            Expect::AtMost(whole.len()),
            Expect::AtMost(1 << 30),
        ] {
            assert!(
                decode(&configuration, &encoded, expect).unwrap() == whole,
                "{configuration}"
            );
        }
        for expect in [Expect::Exactly(whole.len() - 1), Expect::AtMost(100_000)] {
            let error = decode(&configuration, &encoded, expect).unwrap_err();
            assert_eq!(error.kind(), Kind::Size, "{configuration}");
        }
    }
    // Padding, in fours, between and behind streams of xz.
    let xz = json!({"preset": 0});
    let padded = [&encode(&xz, b"ab")[..], &[0; 8], &encode(&xz, b"cd"), &[0; 4]].concat();
    assert_eq!(decode(&xz, &padded, Expect::Exactly(4)).unwrap(), b"abcd");
    let odd = [&encode(&xz, b"ab")[..], &[0; 3]].concat();
    assert!(decode(&xz, &odd, Expect::Exactly(2)).is_err());
}

#[test]
fn format_0_reads_what_the_others_write() {
    for configuration in [json!({"preset": 0}), json!({"format": 2, "preset": 0})] {
        let encoded = encode(&configuration, b"hello");
        assert_eq!(
            decode(&json!({"format": 0}), &encoded, Expect::Exactly(5)).unwrap(),
            b"hello"
        );
    }
    let error = codec(&json!({"format": 0}))
        .encode(Bytes::Borrowed(b"hello"))
        .err()
        .unwrap();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn kinds_of_damage() {
    let xz = json!({"preset": 0});
    let good = encode(&xz, &ramp(500));
    for cut in 0..good.len() {
        let error = decode(&xz, &good[..cut], Expect::Exactly(500)).unwrap_err();
        assert_eq!(error.kind(), Kind::Truncated, "{cut}: {error}");
    }
    for tail in [&[0][..], &[1; 8], b"garbage that is long enough", &good[..9]] {
        assert!(decode(&xz, &[&good, tail].concat(), Expect::Exactly(500)).is_err());
    }
    let old = json!({"format": 2, "preset": 0});
    assert_eq!(
        decode(&xz, &encode(&old, b"ab"), Expect::Exactly(2))
            .unwrap_err()
            .kind(),
        Kind::Codec
    );
}

#[test]
fn checks_are_verified_unless_told_otherwise() {
    // Of one block of five stored bytes, behind a header of 12 and a block header of 12 bytes.
    let stored = encode(&json!({"check": 1, "preset": 0}), b"hello");
    let at = stored.windows(5).position(|window| window == b"hello").unwrap();
    let mut bad = stored.clone();
    bad[at] ^= 1;
    let lzma = Lzma {
        json: Value::Null,
        format: Format::Xz,
        check: Check::Crc32,
        coder: Coder::Preset(0),
    };
    let decode = |verify| lzma.decode_streams(&bad, Expect::Exactly(5), verify);
    assert_eq!(decode(true).err().unwrap().kind(), Kind::Codec);
    assert_eq!(&*decode(false).unwrap(), b"iello");
}

#[test]
fn damage_anywhere_is_found_in_xz() {
    for (configuration, data) in [
        (json!({"preset": 0}), ramp(600)),
        (json!({"preset": 0, "check": 10}), noise(60)),
    ] {
        let good = encode(&configuration, &data);
        // A chunk of LZMA2 may say that it resets what is new anyway, or not say it.
        let accepted = hostile::nothing_wrong_is_accepted(&*codec(&configuration), &good, &data);
        assert!(accepted <= 2, "{accepted}");
        hostile::torture(&*codec(&configuration), &good, data.len());
    }
}

#[test]
fn damage_never_leaks_or_breaks() {
    let small = json!({"id": LZMA1, "dict_size": 4096});
    for configuration in [
        json!({"format": 2, "filters": [small]}),
        json!({"format": 3, "filters": [small]}),
        json!({"format": 3, "filters": [{"id": 3, "dist": 2}, {"id": 4}, {"id": 0x21, "dict_size": 4096}]}),
        json!({"check": 0, "preset": 0}),
    ] {
        let data = ramp(200);
        hostile::torture(&*codec(&configuration), &encode(&configuration, &data), data.len());
    }
}

#[test]
fn a_bomb_costs_its_limit_and_no_more() {
    for configuration in [json!({"preset": 0}), json!({"format": 2, "preset": 0})] {
        let bomb = encode(&configuration, &vec![0; 16 << 20]);
        assert!(bomb.len() < 100_000);
        for expect in [Expect::Exactly(1000), Expect::AtMost(1000), Expect::AtMost(1 << 20)] {
            assert_eq!(decode(&configuration, &bomb, expect).unwrap_err().kind(), Kind::Size);
        }
    }
}

#[test]
fn a_dictionary_is_not_taken_at_its_word() {
    let configuration = json!({"format": 2, "preset": 0});
    let mut claim = encode(&configuration, b"hello");
    claim[1..5].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    assert_eq!(
        decode(&configuration, &claim, Expect::Exactly(5)).unwrap_err().kind(),
        Kind::Limit
    );
    // That of the largest preset is given, whatever comes out.
    let largest = encode(&json!({"preset": 9}), b"hello");
    assert_eq!(decode(&json!({}), &largest, Expect::Exactly(5)).unwrap(), b"hello");
}

#[test]
fn wrong_configuration_names_the_member() {
    let chain = |filters: Value| json!({"format": 3, "filters": filters});
    let last = json!({"id": 0x21});
    for (configuration, word) in [
        (json!({"format": 4}), "format"),
        (json!({"format": "xz"}), "format"),
        (json!({"check": 2}), "check"),
        (json!({"check": 11}), "check"),
        (json!({"format": 2, "check": 4}), "check"),
        (json!({"preset": 10}), "preset"),
        (json!({"preset": -1}), "preset"),
        (json!({"preset": 1.5}), "preset"),
        (json!({"preset": 1, "filters": [last]}), "filters"),
        (json!({"format": 3}), "filters"),
        (json!({"format": 3, "preset": 1}), "filters"),
        (json!({"format": 0, "filters": [last]}), "filters"),
        (json!({"format": 1, "filters": [{"id": LZMA1}]}), "filters"),
        (json!({"format": 2, "filters": [last]}), "filters"),
        (json!({"format": 2, "filters": [{"id": 3}, {"id": LZMA1}]}), "filters"),
        (chain(json!([])), "filters"),
        (chain(json!("x86")), "filters"),
        (chain(json!([last, last])), "filters"),
        (chain(json!([{"id": 3}])), "filters"),
        (
            chain(json!([{"id": 3}, {"id": 3}, {"id": 3}, {"id": 3}, last])),
            "filters",
        ),
        (chain(json!([{}])), "no filter"),
        (chain(json!([7])), "no filter"),
        (chain(json!([{"id": 12}, last])), "no filter"),
        (chain(json!([{"id": 3, "dist": 257}, last])), "no filter"),
        (chain(json!([{"id": 3, "start_offset": 1}, last])), "no filter"),
        (chain(json!([{"id": 0x21, "lc": 3, "lp": 2}])), "no filter"),
        (chain(json!([{"id": 0x21, "mf": 5}])), "no filter"),
        (chain(json!([{"id": 0x21, "dict_size": 4095}])), "no filter"),
        (chain(json!([{"id": 0x21, "preset": 10}])), "no filter"),
        (chain(json!([{"id": 0x21, "dictsize": 1 << 20}])), "no filter"),
        (json!({"level": 1}), "level"),
    ] {
        let json = json!({"name": NAME, "configuration": configuration});
        let error = compile_error(compile, &json, &spec_of(&[1], 1));
        assert_eq!(error.kind(), Kind::Metadata, "{configuration}");
        assert!(error.detail().contains(word), "{configuration}: {error}");
    }
}
