//! The engine against a model array, with a store in memory: every chain, both drivers, and what each asks of a store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};
use zarrpipe_core::chain::{Chain, Encoding};
use zarrpipe_core::copy::Buffer;
use zarrpipe_core::cuts::Cuts;
use zarrpipe_core::dtype::{Kind as DtypeKind, Layout, SwapRun};
use zarrpipe_core::engine::drive::{Answer, Call, Io, Jobs, Request};
use zarrpipe_core::engine::locks::Locking;
use zarrpipe_core::engine::plan::{ArrayPlan, ReadPlan, ShapedChains, WritePlan};
use zarrpipe_core::error::{Error, Kind, Result};
use zarrpipe_core::grid::Grid;
use zarrpipe_core::keys::{KeyKind, Keys};
use zarrpipe_core::layers::LayerSplit;
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::select::{Axis, Piece};
use zarrpipe_core::spec::{ChunkSpec, c_strides};
use zarrpipe_core::store::{Access, ByteRange, Found, Handle, Part, Store};

/// Values in memory; notes each read. `changes` are values that a key takes on after so many reads.
#[derive(Default)]
struct Memory {
    values: Mutex<HashMap<String, Arc<Vec<u8>>>>,
    reads: Mutex<Vec<(String, Vec<ByteRange>)>>,
    keeps_versions: bool,
    replace_after_read: Mutex<Option<Vec<u8>>>,
}

fn part(value: &[u8], range: ByteRange) -> Result<Bytes<'static>> {
    let n = value.len();
    let (from, to) = match range {
        ByteRange::Whole => (0, n),
        ByteRange::Range { offset, nbytes } => (offset as usize, (offset + nbytes) as usize),
        ByteRange::Suffix { nbytes } => (n.saturating_sub(nbytes as usize), n),
    };
    let bytes = value
        .get(from..to)
        .ok_or_else(|| Error::truncated("the value is too short"))?;
    Bytes::Borrowed(bytes).into_owned()
}

impl Store for Memory {
    fn identity(&self) -> &str {
        "memory"
    }
    fn read(&self, key: &str, ranges: &[ByteRange], handle: &mut Option<Handle>) -> Result<Option<Found>> {
        self.reads.lock().unwrap().push((key.to_owned(), ranges.to_vec()));
        let held = handle.as_ref().and_then(|held| held.clone().downcast::<Vec<u8>>().ok());
        let value = match held {
            Some(value) => value,
            None => match self.values.lock().unwrap().get(key) {
                Some(value) => value.clone(),
                None => return Ok(None),
            },
        };
        if self.keeps_versions {
            *handle = Some(value.clone());
        }
        if let Some(new) = self.replace_after_read.lock().unwrap().take() {
            self.values.lock().unwrap().insert(key.to_owned(), Arc::new(new));
        }
        let parts = ranges.iter().map(|&range| part(&value, range)).collect::<Result<_>>()?;
        Ok(Some(Found {
            parts,
            value_nbytes: self.keeps_versions.then_some(value.len() as u64),
        }))
    }
    fn put(&self, key: &str, parts: &[Part], handle: Option<&Handle>) -> Result<()> {
        let old = handle.and_then(|held| held.clone().downcast::<Vec<u8>>().ok());
        let mut value = Vec::new();
        for part in parts {
            match part {
                Part::New(bytes) => value.extend_from_slice(bytes),
                Part::Old { offset, nbytes } => {
                    let old = old.as_ref().expect("a handle for old parts");
                    value.extend_from_slice(&old[*offset as usize..(*offset + *nbytes) as usize]);
                }
            }
        }
        self.values.lock().unwrap().insert(key.to_owned(), Arc::new(value));
        Ok(())
    }
    fn delete(&self, key: &str) -> Result<()> {
        self.values.lock().unwrap().remove(key);
        Ok(())
    }
    fn merge_gap(&self) -> u64 {
        16
    }
}

/// How the store in memory is asked: as local files are, or as a store that is awaited.
fn access(remote: bool) -> Access {
    Access {
        merge_gap: 16,
        request_nbytes: 4 << 20,
        whole_nbytes: if remote { u64::MAX } else { 0 },
        slow: remote,
    }
}

fn memory() -> Arc<Memory> {
    Arc::new(Memory {
        keeps_versions: true,
        ..Memory::default()
    })
}

fn layout() -> Layout {
    Layout::new(
        DtypeKind::Opaque,
        4,
        vec![SwapRun {
            offset: 0,
            nbytes: 4,
            count: 1,
        }],
    )
    .unwrap()
}

fn bytes(endian: &str) -> Value {
    json!({"name": "bytes", "configuration": {"endian": endian}})
}

fn shard(shape: &[u64], codecs: Vec<Value>, location: &str) -> Value {
    json!({"name": "sharding_indexed", "configuration": {"chunk_shape": shape, "codecs": codecs,
        "index_codecs": [bytes("little"), {"name": "crc32c"}], "index_location": location}})
}

fn transpose(order: &[u64]) -> Value {
    json!({"name": "transpose", "configuration": {"order": order}})
}

fn zstd() -> Value {
    json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}})
}

fn gzip() -> Value {
    json!({"name": "gzip", "configuration": {"level": 1}})
}

fn chains() -> Vec<Vec<Value>> {
    let crc = json!({"name": "crc32c"});
    vec![
        vec![bytes("little")],
        vec![transpose(&[1, 2, 0]), bytes("big")],
        vec![bytes("little"), zstd(), crc.clone()],
        vec![transpose(&[2, 0, 1]), transpose(&[1, 0, 2]), bytes("big"), gzip()],
        vec![shard(&[4, 4, 2], vec![bytes("little"), zstd()], "end")],
        vec![shard(
            &[4, 2, 8],
            vec![transpose(&[1, 2, 0]), bytes("big"), crc],
            "start",
        )],
        vec![transpose(&[1, 2, 0]), shard(&[4, 2, 4], vec![bytes("little")], "end")],
        vec![shard(
            &[8, 4, 4],
            vec![shard(&[2, 4, 2], vec![bytes("big"), zstd()], "start")],
            "end",
        )],
        vec![shard(&[4, 4, 4], vec![bytes("little")], "end"), zstd()],
    ]
}

const SHAPE: [u64; 3] = [11, 20, 9];
const CHUNK: [u64; 3] = [8, 8, 8];

fn array(codecs: &[Value], missing_is_fill: bool) -> Arc<ArrayPlan> {
    let grid = Grid::regular(SHAPE.to_vec(), CHUNK.to_vec()).unwrap();
    array_over(grid, None, codecs, missing_is_fill)
}

fn compile(codecs: &[Value], shape: &[u64]) -> Result<Arc<Chain>> {
    let resolve = |json: &Value, _: &ChunkSpec| Err(Error::unsupported(format!("{json}")));
    let spec = ChunkSpec::new(shape.to_vec(), layout(), &7u32.to_ne_bytes())?;
    Chain::compile(codecs, spec, 0, &resolve).map(Arc::new)
}

type Noted = Arc<Mutex<Vec<Vec<u64>>>>;

/// Chunks of 8 and 16 along two axes; the last of each reach beyond the array. Notes the shapes that are compiled.
fn rectilinear(codecs: &[Value]) -> (Arc<ArrayPlan>, Noted) {
    let cuts = [
        Cuts::runs(&[(8, 1), (16, 3)]),
        Cuts::runs(&[(16, 1), (8, 1)]),
        Cuts::even(8),
    ];
    let grid = Grid::new(SHAPE.to_vec(), cuts.into_iter().map(Result::unwrap).collect()).unwrap();
    let (owned, compiled) = (codecs.to_vec(), Noted::default());
    let noted = compiled.clone();
    let shaped = ShapedChains::new(Box::new(move |shape| {
        noted.lock().unwrap().push(shape.to_vec());
        compile(&owned, shape)
    }));
    (array_over(grid, Some(shaped), codecs, true), compiled)
}

fn array_over(grid: Grid, shaped: Option<ShapedChains>, codecs: &[Value], missing_is_fill: bool) -> Arc<ArrayPlan> {
    Arc::new(ArrayPlan {
        chain: compile(codecs, &grid.least_chunk_shape()).unwrap(),
        shaped,
        grid,
        keys: Keys::new("a", KeyKind::Default, '/'),
        encoding: Encoding { keep_empty: false },
        missing_is_fill,
        locking: Locking::None,
    })
}

/// How a call is run.
#[derive(Clone, Copy, Debug)]
enum Way {
    Here,
    Workers,
    Loop,
}

fn run(jobs: Box<dyn Jobs>, store: &Arc<Memory>, way: Way) -> Result<()> {
    let Way::Loop = way else {
        let call = Call::new(jobs, Io::Blocking(store.clone()));
        match way {
            Way::Here => call.run_here(),
            _ => call.start(),
        }
        return call.wait(&mut || Ok(()));
    };
    // A small event loop: it is woken, takes what waits, and answers.
    let signal = Arc::new((Mutex::new(0u64), Condvar::new()));
    let wake = {
        let signal = signal.clone();
        move || {
            *signal.0.lock().unwrap() += 1;
            signal.1.notify_all();
        }
    };
    let call = Call::new(
        jobs,
        Io::Loop {
            requests: 3,
            wake: Arc::new(wake),
            access: access(true),
            indexes: None,
        },
    );
    call.start();
    while !call.ended() {
        for (id, request) in call.take_requests(64) {
            let answer = match request {
                Request::Get { key, ranges, .. } => store
                    .read(&key, &ranges, &mut None)
                    .map(|found| found.map_or(Answer::Missing, |found| Answer::Found(found, None))),
                Request::Put { key, parts, .. } => store.put(&key, &parts, None).map(|()| Answer::Nothing),
                Request::Delete { key, .. } => store.delete(&key).map(|()| Answer::Nothing),
                Request::Code(_) | Request::CodePart { .. } => panic!("no codec here must be awaited"),
            };
            call.answer(id, answer);
        }
        let seen = signal.0.lock().unwrap();
        drop(
            signal
                .1
                .wait_timeout(seen, std::time::Duration::from_millis(5))
                .unwrap(),
        );
    }
    call.result()
}

fn read(array: &Arc<ArrayPlan>, store: &Arc<Memory>, piece: &Piece, out: &mut [u32], way: Way) -> Result<()> {
    // SAFETY: `out` has room for the piece, and outlives the call.
    let buffer = unsafe { Buffer::new(out.as_mut_ptr().cast()) };
    let remote = matches!(way, Way::Loop);
    run(
        Box::new(ReadPlan::new(array.clone(), piece, buffer, access(remote))),
        store,
        way,
    )
}

fn write(array: &Arc<ArrayPlan>, store: &Arc<Memory>, piece: &Piece, value: &[u32], way: Way) -> Result<()> {
    write_all(array, store, &[(piece.clone(), value.to_vec())], way)
}

/// Several pieces in one call, each from a buffer of its own.
fn write_all(array: &Arc<ArrayPlan>, store: &Arc<Memory>, writes: &[(Piece, Vec<u32>)], way: Way) -> Result<()> {
    let split = |(piece, value): &(Piece, Vec<u32>)| {
        // SAFETY: a write only reads the value, which outlives the call.
        let buffer = unsafe { Buffer::new(value.as_ptr().cast_mut().cast()) };
        (Arc::new(array.grid.split(piece)), buffer)
    };
    let split = LayerSplit::new(writes.iter().map(split).collect());
    let keeps_ranges = !matches!(way, Way::Loop);
    run(
        Box::new(WritePlan::new(array.clone(), split, keeps_ranges, "memory")),
        store,
        way,
    )
}

/// A reproducible sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// Points along two axes and a slice along the other, and the array indices of the items.
    fn points(&mut self) -> (Piece, Vec<usize>) {
        let (count, slice) = (1 + self.below(9), self.below(3) as usize);
        let start = self.below(SHAPE[slice]);
        let len = 1 + self.below(SHAPE[slice] - start);
        let picks: Vec<Vec<u64>> = SHAPE
            .iter()
            .map(|&n| (0..count).map(|_| self.below(n)).collect())
            .collect();
        // The buffer is (points, slice); the points' offsets stand with the first listed axis.
        let mut first = true;
        let axes = (0..3).map(|axis| {
            if axis == slice {
                return Axis::Strided {
                    start,
                    step: 1,
                    len,
                    out_stride: 4,
                };
            }
            let stride = if std::mem::take(&mut first) {
                4 * len as isize
            } else {
                0
            };
            Axis::Listed(picks[axis].iter().zip(0..).map(|(&i, k)| (i, k * stride)).collect())
        });
        let piece = Piece {
            joint: true,
            ..Piece::new(axes.collect(), 0)
        };
        let index = |point: usize, i: u64| {
            let at = |axis: usize| if axis == slice { start + i } else { picks[axis][point] };
            ((at(0) * SHAPE[1] + at(1)) * SHAPE[2] + at(2)) as usize
        };
        let items = (0..count as usize).flat_map(|point| (0..len).map(move |i| (point, i)));
        (piece, items.map(|(point, i)| index(point, i)).collect())
    }

    /// A piece over a C-ordered buffer, and the array indices of its items in that order.
    fn piece(&mut self) -> (Piece, Vec<usize>) {
        let picks: Vec<Vec<u64>> = SHAPE
            .iter()
            .map(|&n| match self.below(4) {
                0 => (0..n).collect(),
                1 => vec![self.below(n)],
                2 => (self.below(n)..n).step_by(1 + self.below(9) as usize).collect(),
                _ => (0..1 + self.below(5)).map(|_| self.below(n)).collect(),
            })
            .collect();
        let lens: Vec<u64> = picks.iter().map(|pick| pick.len() as u64).collect();
        let strides = c_strides(&lens, 4);
        let axes = picks.iter().zip(&strides).map(|(pick, &out_stride)| {
            let step = if pick.len() > 1 {
                pick[1].wrapping_sub(pick[0])
            } else {
                1
            };
            let even = (1..100).contains(&step) && pick.windows(2).all(|w| w[1].wrapping_sub(w[0]) == step);
            match even {
                true => Axis::Strided {
                    start: pick[0],
                    step,
                    len: pick.len() as u64,
                    out_stride,
                },
                false => Axis::Listed(pick.iter().zip(0..).map(|(&i, k)| (i, k * out_stride)).collect()),
            }
        });
        let axes = axes.collect();
        let mut items = vec![0];
        for (pick, &n) in picks.iter().zip(&SHAPE) {
            items = items
                .iter()
                .flat_map(|&at| pick.iter().map(move |&i| at * n as usize + i as usize))
                .collect();
        }
        (Piece::new(axes, 0), items)
    }
}

#[test]
fn every_chain_reads_back_what_was_written_by_every_driver() {
    reads_back_what_was_written(|codecs| array(codecs, true));
}

#[test]
fn chunks_of_several_shapes_read_back_what_was_written() {
    reads_back_what_was_written(|codecs| rectilinear(codecs).0);
}

#[test]
fn only_shapes_that_are_touched_are_compiled_and_those_once() {
    let (array, compiled) = rectilinear(&chains()[2]);
    let store = memory();
    let axis = |start, len| Axis::Strided {
        start,
        step: 1,
        len,
        out_stride: 4,
    };
    for _ in 0..3 {
        let piece = Piece::new(vec![axis(9, 1), axis(14, 4), axis(3, 1)], 0);
        let split = array.grid.split(&piece);
        array.prepare(&split).unwrap();
        assert_eq!(*compiled.lock().unwrap(), [[16, 8, 8], [16, 16, 8]]);
        write(&array, &store, &piece, &[1, 2, 3, 4], Way::Workers).unwrap();
        assert_eq!(array.chunk_nbytes(&split), 4 * (16 * 8 * 8 + 16 * 16 * 8));
        assert_eq!(array.decoded_nbytes(&split, &piece), 4 * (16 * 8 * 8 + 16 * 16 * 8));
    }
    assert_eq!(compiled.lock().unwrap().len(), 2);
    let sizes = |key: &str| store.values.lock().unwrap().contains_key(key);
    assert!(sizes("a/c/1/0/0") && sizes("a/c/1/1/0"));
}

fn reads_back_what_was_written(plan: impl Fn(&[Value]) -> Arc<ArrayPlan>) {
    let n = SHAPE.iter().product::<u64>() as usize;
    for (number, codecs) in chains().iter().enumerate() {
        for way in [Way::Here, Way::Workers, Way::Loop] {
            let (array, store) = (plan(codecs), memory());
            let (mut model, mut random) = (vec![7u32; n], Random(number as u64));
            for round in 0..60 {
                let (piece, items) = if round % 4 == 1 {
                    random.points()
                } else {
                    random.piece()
                };
                if round % 3 != 2 {
                    let value: Vec<u32> = items.iter().map(|_| 7 + random.below(3) as u32).collect();
                    items.iter().zip(&value).for_each(|(&i, &v)| model[i] = v);
                    write(&array, &store, &piece, &value, way).unwrap();
                }
                let mut found = vec![0; items.len()];
                read(&array, &store, &piece, &mut found, way).unwrap();
                let expected: Vec<u32> = items.iter().map(|&i| model[i]).collect();
                assert_eq!(found, expected, "chain {number}, {way:?}, round {round}, {piece:?}");
            }
        }
    }
}

fn whole() -> Piece {
    Piece::whole(&SHAPE, &c_strides(&SHAPE, 4))
}

fn counting() -> Vec<u32> {
    (100..).take(SHAPE.iter().product::<u64>() as usize).collect()
}

#[test]
fn a_complete_chunk_is_never_read_first() {
    for codecs in chains() {
        let (array, store) = (array(&codecs, true), memory());
        write(&array, &store, &whole(), &counting(), Way::Here).unwrap();
        assert!(store.reads.lock().unwrap().is_empty(), "{codecs:?}");
    }
}

/// Writes that were collected give the stored bytes that they give one by one, and take up each key once.
fn written_together_as_one_by_one(plan: impl Fn(&[Value]) -> Arc<ArrayPlan>) {
    for (number, codecs) in chains().iter().enumerate() {
        for way in [Way::Here, Way::Workers, Way::Loop] {
            let (array, store, single) = (plan(codecs), memory(), memory());
            let mut random = Random(number as u64);
            for round in 0..12 {
                let mut writes = Vec::new();
                for _ in 0..random.below(6) {
                    let (piece, items) = match random.below(4) {
                        0 => random.points(),
                        _ => random.piece(),
                    };
                    let value: Vec<u32> = items.iter().map(|_| 7 + random.below(3) as u32).collect();
                    write(&array, &single, &piece, &value, way).unwrap();
                    writes.push((piece, value));
                }
                store.reads.lock().unwrap().clear();
                write_all(&array, &store, &writes, way).unwrap();
                let case = format!("chain {number}, {way:?}, round {round}");
                assert!(
                    *store.values.lock().unwrap() == *single.values.lock().unwrap(),
                    "{case}: other bytes"
                );
                let mut read = HashMap::new();
                for (key, ranges) in store.reads.lock().unwrap().iter() {
                    let new = read.entry((key.clone(), format!("{ranges:?}"))).or_insert(0);
                    *new += 1;
                    assert_eq!(*new, 1, "{case}: {key} was read twice");
                }
            }
        }
    }
}

#[test]
fn writes_together_leave_what_they_leave_one_by_one() {
    written_together_as_one_by_one(|codecs| array(codecs, true));
}

#[test]
fn writes_together_to_chunks_of_several_shapes() {
    written_together_as_one_by_one(|codecs| rectilinear(codecs).0);
}

#[test]
fn chunks_that_pieces_cover_together_are_never_read() {
    let rows = |axis: usize, start: u64| {
        let mut shape = SHAPE;
        shape[axis] = 1;
        let mut piece = Piece::whole(&shape, &c_strides(&shape, 4));
        if let Axis::Strided { start: first, .. } = &mut piece.axes[axis] {
            *first = start;
        }
        (piece, vec![start as u32; shape.iter().product::<u64>() as usize])
    };
    for codecs in chains() {
        for (axis, &n) in SHAPE.iter().enumerate() {
            let (array, store) = (array(&codecs, true), memory());
            write(&array, &store, &whole(), &counting(), Way::Here).unwrap();
            let mut all: Vec<_> = (0..n).rev().map(|start| rows(axis, start)).collect();
            write_all(&array, &store, &all, Way::Workers).unwrap();
            assert!(store.reads.lock().unwrap().is_empty(), "{codecs:?}");
            all.pop();
            write_all(&array, &store, &all, Way::Workers).unwrap();
            assert!(!store.reads.lock().unwrap().is_empty(), "{codecs:?}");
        }
    }
}

#[test]
fn one_item_of_a_shard_costs_its_index_and_one_inner_chunk() {
    let (array, store) = (array(&chains()[4], true), memory());
    write(&array, &store, &whole(), &counting(), Way::Here).unwrap();
    let axis = |start| Axis::Strided {
        start,
        step: 1,
        len: 1,
        out_stride: 0,
    };
    let piece = Piece::new(vec![axis(1), axis(2), axis(3)], 0);
    let mut found = [0];
    read(&array, &store, &piece, &mut found, Way::Here).unwrap();
    assert_eq!(found[0], 100 + (20 + 2) * 9 + 3);
    let reads = store.reads.lock().unwrap();
    // 2 x 2 x 4 inner chunks of 16 bytes in the index, and its checksum.
    assert_eq!(reads[0].1, [ByteRange::Suffix { nbytes: 16 * 16 + 4 }]);
    assert!(matches!(reads[1].1[..], [ByteRange::Range { nbytes, .. }] if nbytes < 200));
    assert_eq!(reads.len(), 2);
}

#[test]
fn equal_items_give_equal_bytes_whatever_way_they_were_written() {
    for codecs in chains() {
        let array = array(&codecs, true);
        let stores: Vec<_> = [Way::Here, Way::Workers, Way::Loop]
            .into_iter()
            .map(|way| {
                let store = memory();
                write(&array, &store, &whole(), &counting(), way).unwrap();
                // Writing a part again changes nothing.
                let (piece, items) = Random(5).piece();
                let value: Vec<u32> = items.iter().map(|&i| counting()[i]).collect();
                write(&array, &store, &piece, &value, way).unwrap();
                store
            })
            .collect();
        let values = |store: &Memory| store.values.lock().unwrap().clone();
        assert_eq!(values(&stores[0]), values(&stores[1]), "{codecs:?}");
        assert_eq!(values(&stores[0]), values(&stores[2]), "{codecs:?}");
    }
}

#[test]
fn fill_value_is_deleted_and_absence_may_be_an_error() {
    for codecs in chains() {
        let (plan, store) = (array(&codecs, true), memory());
        write(&plan, &store, &whole(), &counting(), Way::Workers).unwrap();
        let fill = vec![7u32; counting().len()];
        write(&plan, &store, &whole(), &fill, Way::Workers).unwrap();
        assert!(store.values.lock().unwrap().is_empty(), "{codecs:?}");
        let strict = array(&codecs, false);
        let error = read(&strict, &store, &whole(), &mut fill.clone(), Way::Here).unwrap_err();
        assert_eq!(error.kind(), Kind::MissingChunk);
        assert!(error.key().unwrap().starts_with("a/c/"));
    }
}

#[test]
fn a_shard_replaced_between_index_and_chunk_is_read_of_one_version() {
    // Another store of the same array, with other values: its shards differ in every offset.
    let array = array(&chains()[4], true);
    let (store, other) = (Arc::new(Memory::default()), memory());
    let squares: Vec<u32> = counting().iter().map(|&v| v * v).collect();
    write(&array, &other, &whole(), &squares, Way::Here).unwrap();
    for way in [Way::Here, Way::Loop] {
        write(&array, &store, &whole(), &counting(), Way::Here).unwrap();
        let new = other.values.lock().unwrap()["a/c/0/0/0"].to_vec();
        *store.replace_after_read.lock().unwrap() = Some(new);
        let axis = |start| Axis::Strided {
            start,
            step: 1,
            len: 1,
            out_stride: 0,
        };
        let piece = Piece::new(vec![axis(7), axis(7), axis(7)], 0);
        let mut found = [0];
        // Without versions the first try decodes rubbish, and the second starts from the new index.
        read(&array, &store, &piece, &mut found, way).unwrap();
        let old = 100 + (7 * 20 + 7) * 9 + 7;
        assert!([old, old * old].contains(&found[0]), "{way:?}: {found:?}");
    }
}

#[test]
fn writers_of_one_key_take_turns() {
    let (array, store) = (array(&chains()[4], true), memory());
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (array, store) = (&array, &store);
            scope.spawn(move || {
                for i in 0..20u64 {
                    let axis = |start| Axis::Strided {
                        start,
                        step: 1,
                        len: 1,
                        out_stride: 0,
                    };
                    let piece = Piece::new(vec![axis(thread), axis(i % 8), axis(i / 8)], 0);
                    let way = if thread % 2 == 0 { Way::Here } else { Way::Workers };
                    write(array, store, &piece, &[(1000 + thread * 20 + i) as u32], way).unwrap();
                }
            });
        }
    });
    let mut found = counting();
    read(&array, &store, &whole(), &mut found, Way::Here).unwrap();
    for thread in 0..8usize {
        for i in 0..20usize {
            assert_eq!(
                found[(thread * 20 + i % 8) * 9 + i / 8],
                (1000 + thread * 20 + i) as u32
            );
        }
    }
}
