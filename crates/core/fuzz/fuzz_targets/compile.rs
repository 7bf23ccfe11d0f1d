//! Arbitrary documents of codecs: each is refused with an error, or is a chain whose own documents make it again.
//!
//! The first byte of the input chooses the items, the others are JSON; members that only Python writes ("zarrpipe:") may be
//! among it. With 0xff in front the rest are the runs of a grid and an array's shape.

#![no_main]

#[allow(dead_code, reason = "the other target has the chains")]
mod chains;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use zarrpipe_core::chain::Chain;
use zarrpipe_core::cuts::Cuts;
use zarrpipe_core::grid::Grid;
use zarrpipe_core::limits;
use zarrpipe_core::select::{Axis, Piece};
use zarrpipe_core::spec::ChunkSpec;

use chains::unknown;

const KINDS: [(&str, &[u64]); 8] = [
    ("opaque", &[8, 6]),
    ("bool", &[9, 5]),
    ("uint8", &[4, 1, 6]),
    ("int16", &[8, 6]),
    ("float64", &[12]),
    ("complex:float32", &[8, 6]),
    ("string", &[4, 3]),
    ("int4", &[]),
];

/// The documents as Python would give them again: with what it has bound to them.
fn with_bound(written: &[Value], documents: &[Value]) -> Vec<Value> {
    let bound = |(written, given): (&Value, &Value)| {
        let mut written = written.clone();
        let members = given
            .get("configuration")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        for (key, value) in members.filter(|(key, _)| key.starts_with("zarrpipe:")) {
            if written.is_string() {
                written = serde_json::json!({"name": written});
            }
            if written.get("configuration").is_none() {
                written["configuration"] = serde_json::json!({});
            }
            written["configuration"][key] = value.clone();
        }
        written
    };
    written.iter().zip(documents).map(bound).collect()
}

fn compile(spec: ChunkSpec, input: &[u8]) {
    let Ok(Value::Array(documents)) = serde_json::from_slice(input) else {
        return;
    };
    let Ok(chain) = Chain::compile(&documents, spec.clone(), 0, &unknown) else {
        return;
    };
    let written = chain.to_json();
    // What is bound inside other codecs is Python's to give again.
    let inside = |json: &Value| json.get("configuration").is_some_and(|c| c.get("codecs").is_some());
    if written.iter().any(inside) && String::from_utf8_lossy(input).contains("zarrpipe") {
        return;
    }
    let again = Chain::compile(&with_bound(&written, &documents), spec, 0, &unknown);
    let again = again.unwrap_or_else(|e| panic!("{written:?}: {e}"));
    assert_eq!(again.to_json(), written);
}

/// Numbers of one to eight bytes.
fn numbers(mut input: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some((&head, rest)) = input.split_first() {
        let (bytes, behind) = rest.split_at(rest.len().min(usize::from(head % 8) + 1));
        numbers.push(bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)));
        input = behind;
    }
    numbers
}

fn grid(input: &[u8]) {
    let numbers = numbers(input);
    let [extent, start, step, len, index, runs @ ..] = &numbers[..] else {
        return;
    };
    let runs: Vec<(u64, u64)> = runs
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[length, count]| (length, count))
        .collect();
    let cuts = if runs.len() == 1 {
        Cuts::even(runs[0].0)
    } else {
        Cuts::runs(&runs)
    };
    let Ok(cuts) = cuts else { return };
    let Ok(grid) = Grid::new(vec![*extent], vec![cuts.clone()]) else {
        return;
    };
    let count = grid.count(0);
    for index in [0, extent.saturating_sub(1), index % (*extent).max(1)] {
        if index < *extent {
            let (coord, inside) = cuts.locate(index);
            assert!(coord < count && inside < grid.chunk_shape(&[coord])[0]);
            assert_eq!(grid.start(0, coord) + inside, index);
            assert!(inside < grid.extent(&[coord])[0]);
        }
    }
    let (step, start) = ((*step).max(1), start % (*extent).max(1));
    let most = if *extent == 0 {
        0
    } else {
        (extent - 1 - start) / step + 1
    };
    let axis = Axis::Strided {
        start,
        step,
        len: len % (most + 1),
        out_stride: 0,
    };
    let split = grid.split(&Piece::new(vec![axis.clone()], 0));
    let mut items = 0;
    let (mut coords, mut piece) = (Vec::new(), Piece::default());
    for n in 0..split.len().min(1000) {
        split.get(n, &mut coords, &mut piece);
        items += piece.items();
        let last = piece.axes[0].last().expect("no chunk is touched for nothing");
        assert!(coords[0] < count && last < grid.extent(&coords)[0]);
    }
    assert!(split.len() > 1000 || items == axis.len());
    grid.touched_shapes(&split, 100);
}

fuzz_target!(|input: &[u8]| {
    limits::set_max_chunk_nbytes(1 << 20);
    match input {
        [0xff, input @ ..] => grid(input),
        [which, input @ ..] => {
            let (kind, shape) = KINDS[usize::from(*which) % KINDS.len()];
            compile(chains::spec(kind, shape), input);
        }
        [] => {}
    }
});
