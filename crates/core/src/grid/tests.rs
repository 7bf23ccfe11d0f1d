use super::*;
use crate::select::Axis;

/// Every chunk of an axis, one by one.
fn expand(runs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut start = 0;
    let lengths = runs.iter().flat_map(|&(length, count)| (0..count).map(move |_| length));
    lengths
        .map(|length| {
            start += length;
            (start - length, length)
        })
        .collect()
}

/// (chunk, index in the chunk, place in the buffer) of each index that an axis takes.
fn model(axis: &Axis, chunks: &[(u64, u64)]) -> Vec<(u64, u64, isize)> {
    let place = |(index, out): (u64, isize)| {
        let coord = chunks.iter().rposition(|&(start, _)| start <= index).unwrap();
        assert!(index < chunks[coord].0 + chunks[coord].1);
        (coord as u64, index - chunks[coord].0, out)
    };
    pairs(axis).into_iter().map(place).collect()
}

fn pairs(axis: &Axis) -> Vec<(u64, isize)> {
    match axis {
        &Axis::Strided {
            start,
            step,
            len,
            out_stride,
        } => (0..len).map(|i| (start + i * step, i as isize * out_stride)).collect(),
        Axis::Listed(pairs) => pairs.to_vec(),
    }
}

const RUNS: [&[(u64, u64)]; 7] = [
    &[(1, 1)],
    &[(3, 4)],
    &[(1, 3), (5, 2), (2, 1)],
    &[(2, 1), (3, 1), (2, 1), (7, 1)],
    &[(10, 1), (1, 6)],
    &[(1, 5), (4, 3), (1, 2)],
    &[(6, 1), (6, 1), (2, 4)],
];

fn strided(start: u64, step: u64, len: u64) -> Axis {
    Axis::Strided {
        start,
        step,
        len,
        out_stride: 3,
    }
}

/// What a split of one axis gives, with every item of it; the boxes come in order, and none is empty.
fn found(cuts: &Cuts, axis: &Axis) -> Vec<(u64, u64, isize)> {
    let split = Split::over(&Piece::new(vec![axis.clone()], 0), |_| cuts.clone());
    let (mut coords, mut piece) = (Vec::new(), Piece::default());
    let mut items = Vec::new();
    let mut last = None;
    for ordinal in 0..split.len() {
        split.get(ordinal, &mut coords, &mut piece);
        assert!(last < Some(coords[0]));
        last = Some(coords[0]);
        let inside = pairs(&piece.axes[0]);
        assert!(!inside.is_empty());
        items.extend(inside.iter().map(|&(index, out)| (coords[0], index, out + piece.out)));
    }
    items
}

#[test]
fn axes_split_over_runs_without_loss() {
    for runs in RUNS {
        let (cuts, chunks) = (Cuts::runs(runs).unwrap(), expand(runs));
        let (start, length) = chunks[chunks.len() - 1];
        let extent = start + length;
        for start in 0..extent {
            for step in 1..=extent {
                for len in 0..=(extent - start).div_ceil(step) {
                    let axis = strided(start, step, len);
                    assert_eq!(found(&cuts, &axis), model(&axis, &chunks), "{axis:?} over {runs:?}");
                }
            }
        }
        let listed: Vec<(u64, isize)> = (0..2 * extent).map(|i| (i * 7 % extent, i as isize * 4)).collect();
        let axis = Axis::Listed(listed.into());
        let mut expected = model(&axis, &chunks);
        expected.sort_by_key(|&(coord, ..)| coord);
        assert_eq!(found(&cuts, &axis), expected, "{runs:?}");
    }
}

#[test]
fn indices_and_chunks_find_each_other() {
    for runs in RUNS {
        let (cuts, chunks) = (Cuts::runs(runs).unwrap(), expand(runs));
        for (coord, &(start, length)) in chunks.iter().enumerate() {
            assert_eq!(cuts.chunk(coord as u64), (start, length));
            for inside in 0..length {
                assert_eq!(cuts.locate(start + inside), (coord as u64, inside));
            }
        }
    }
}

#[test]
fn points_fall_into_boxes_of_several_shapes() {
    let runs: [&[(u64, u64)]; 2] = [&[(1, 3), (5, 2)], &[(4, 1), (2, 3)]];
    let grid = Grid::new(
        vec![13, 3, 10],
        vec![
            Cuts::runs(runs[0]).unwrap(),
            Cuts::even(2).unwrap(),
            Cuts::runs(runs[1]).unwrap(),
        ],
    );
    let grid = grid.unwrap();
    let listed = |by: u64, of: u64| -> Axis { Axis::Listed((0..40).map(|i| (i * by % of, i as isize * 8)).collect()) };
    let zero = |axis: Axis| Axis::Listed(pairs(&axis).iter().map(|&(index, _)| (index, 0)).collect());
    let piece = Piece {
        joint: true,
        ..Piece::new(vec![listed(5, 13), strided(0, 1, 3), zero(listed(3, 10))], 0)
    };
    let split = grid.split(&piece);
    let (mut coords, mut part) = (Vec::new(), Piece::default());
    let mut found = Vec::new();
    let mut shapes = BTreeSet::new();
    for ordinal in 0..split.len() {
        split.get(ordinal, &mut coords, &mut part);
        shapes.insert(grid.chunk_shape(&coords));
        for (&(i, out), &(k, _)) in pairs(&part.axes[0]).iter().zip(&pairs(&part.axes[2])) {
            for (j, across) in pairs(&part.axes[1]) {
                let at = |axis: usize, inside: u64| grid.axes[axis].chunk(coords[axis]).0 + inside;
                found.push((at(0, i), at(1, j), at(2, k), out + across + part.out));
            }
        }
    }
    found.sort_unstable();
    let point = |i: u64| (0..3).map(move |j| (i * 5 % 13, j, i * 3 % 10, i as isize * 8 + j as isize * 3));
    let mut expected: Vec<_> = (0..40).flat_map(point).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(grid.touched_shapes(&split, 100), shapes.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_shapes_touched_are_those_of_the_chunks_touched() {
    let axes = vec![
        Cuts::runs(RUNS[2]).unwrap(),
        Cuts::even(3).unwrap(),
        Cuts::runs(RUNS[3]).unwrap(),
    ];
    let grid = Grid::new(vec![15, 7, 14], axes).unwrap();
    for (axis, last) in [(strided(0, 1, 15), 14), (strided(2, 4, 3), 5), (strided(4, 1, 1), 0)] {
        let listed = Axis::Listed([(last, 0), (1, 4)].into());
        let split = grid.split(&Piece::new(vec![axis, strided(0, 1, 7), listed], 0));
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let shapes: BTreeSet<Vec<u64>> = (0..split.len())
            .map(|ordinal| {
                split.get(ordinal, &mut coords, &mut piece);
                grid.chunk_shape(&coords)
            })
            .collect();
        assert_eq!(grid.touched_shapes(&split, 100), shapes.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn chunks_reach_over_the_border() {
    let grid = Grid::new(
        vec![8, 7],
        vec![Cuts::runs(&[(5, 2), (1, 9)]).unwrap(), Cuts::even(4).unwrap()],
    )
    .unwrap();
    assert_eq!(grid.chunk_shape(&[1, 1]), [5, 4]);
    assert_eq!(grid.extent(&[1, 1]), [3, 3]);
    assert_eq!(grid.extent(&[2, 0]), [0, 4]);
    assert_eq!(grid.least_chunk_shape(), [1, 4]);
}

#[test]
fn a_run_costs_the_same_however_long() {
    let huge = 1 << 40;
    let grid = Grid::new(vec![3 * huge], vec![Cuts::runs(&[(1, huge), (2, huge)]).unwrap()]).unwrap();
    let split = grid.split(&Piece::new(vec![strided(0, 1, 3 * huge)], 0));
    assert_eq!(split.len(), 2 * huge);
    let (mut coords, mut piece) = (Vec::new(), Piece::default());
    split.get(huge + 5, &mut coords, &mut piece);
    assert_eq!(coords, [huge + 5]);
    assert_eq!(
        (piece.axes[0].clone(), piece.out),
        (strided(0, 1, 2), 3 * (huge as isize + 10))
    );
    assert_eq!(grid.touched_shapes(&split, 10), [[1], [2]]);
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let refused: [&[(u64, u64)]; 6] = [
        &[],
        &[(0, 1)],
        &[(1, 0)],
        &[(u64::MAX, u64::MAX)],
        &[(1 << 62, 1), (1 << 62, 1)],
        &[(u64::MAX, 1), (1, 1)],
    ];
    for runs in refused {
        assert!(Cuts::runs(runs).is_err(), "{runs:?}");
    }
    assert!(Cuts::even(0).is_err());
    assert!(Grid::new(vec![11], vec![Cuts::runs(&[(5, 2)]).unwrap()]).is_err());
    assert!(Grid::new(vec![11], vec![]).is_err());
    assert!(Grid::new(vec![1 << 62], vec![Cuts::runs(&[(1, 1 << 62)]).unwrap()]).is_ok());
}
