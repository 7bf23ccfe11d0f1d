//! The strided copy kernel: scatter, gather and fill, with byte swap folded in.
//!
//! Axes are sorted so that writes run forward, axes that lie behind one another in both places are merged, and
//! pointers advance by addition only.

use crate::dtype::Layout;
use crate::heap::Heap;
use crate::select::{Axis, Piece, Window};

/// Which way items move between a box's items and the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Decoding: from the box into the buffer.
    Scatter,
    /// Encoding: from the buffer into the box.
    Gather,
}

/// The start of a caller's buffer, for threads that each touch their own part of it; with the heap that keeps what
/// its items describe, where they are of variable length.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    start: *mut u8,
    heap: *const Heap,
}

// SAFETY: pointers are only addresses; those who use them are bound by the promises of `Buffer::new`. A heap can be
// shared between threads.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// # Safety
    /// The memory must stay valid for every piece that is moved through it, and pieces moved at the same time must
    /// not overlap where one of them is written.
    pub unsafe fn new(start: *mut u8) -> Self {
        let heap = std::ptr::null();
        Buffer { start, heap }
    }

    /// The same buffer for items of variable length.
    ///
    /// # Safety
    /// The heap must stay where it is, and live as long as anybody uses the buffer or its items.
    #[must_use]
    pub unsafe fn with_heap(self, heap: &Heap) -> Self {
        Buffer { heap, ..self }
    }

    pub fn start(self) -> *mut u8 {
        self.start
    }

    pub fn heap<'h>(self) -> Option<&'h Heap> {
        // SAFETY: null, or a heap that lives as long as the buffer is used: the promise of `with_heap`.
        unsafe { self.heap.as_ref() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dim {
    n: usize,
    src: isize,
    dst: isize,
}

/// Moves the items of `piece`, or those parts of them that it names. `swap` reverses the bytes of each component; the
/// layout's components must then be uniform.
///
/// # Safety
/// `items` must be valid for the box with byte strides `strides`, `buffer` for every offset that `piece` names;
/// the destination must be writable and nobody else's while this runs, and the two must not overlap.
pub unsafe fn transfer(
    direction: Direction,
    items: *mut u8,
    strides: &[isize],
    buffer: *mut u8,
    piece: &Piece,
    layout: &Layout,
    swap: bool,
) {
    let mut dims = Vec::with_capacity(piece.axes.len() + 1);
    let mut item_offset = 0isize;
    for (axis, &stride) in piece.axes.iter().zip(strides) {
        if let &Axis::Strided {
            start,
            step,
            len,
            out_stride,
        } = axis
        {
            item_offset += start as isize * stride;
            dims.push(directed(direction, len as usize, step as isize * stride, out_stride));
        }
    }
    if dims.iter().any(|dim| dim.n == 0) {
        return;
    }
    let mut tables = piece.tables(strides);
    if direction == Direction::Gather {
        tables
            .iter_mut()
            .flatten()
            .for_each(|(item, out)| std::mem::swap(item, out));
    }
    // SAFETY: the caller vouches for every offset that the piece names; these are the first ones.
    let (items, buffer) = unsafe { (items.offset(item_offset), buffer.offset(piece.out)) };
    let whole = [Window {
        item: 0,
        out: 0,
        nbytes: layout.item_nbytes,
    }];
    let component = layout.uniform_component().filter(|&nbytes| swap && nbytes > 1);
    for window in piece.windows.as_deref().unwrap_or(&whole) {
        // SAFETY: a window lies inside the item on both sides.
        let (items, buffer) = unsafe { (items.add(window.item), buffer.add(window.out)) };
        let (src, dst) = match direction {
            Direction::Scatter => (items.cast_const(), buffer),
            Direction::Gather => (buffer.cast_const(), items),
        };
        // SAFETY: as above; the loops visit exactly the piece's items.
        unsafe { move_items(dims.clone(), &tables, src, dst, window.nbytes, component) };
    }
}

/// Copies items of `item` bytes at every combination of `dims` and tables, reversing the bytes of each component.
///
/// # Safety
/// Every offset must be valid from `src` for reads and from `dst` for writes.
unsafe fn move_items(
    mut dims: Vec<Dim>,
    tables: &[Vec<(isize, isize)>],
    src: *const u8,
    dst: *mut u8,
    mut item: usize,
    component: Option<usize>,
) {
    if let Some(component) = component.filter(|&component| component < item) {
        dims.push(Dim {
            n: item / component,
            src: component as isize,
            dst: component as isize,
        });
        item = component;
    }
    normalise(&mut dims);
    let swap = component.is_some();
    if let ([], Some((points, outer))) = (&dims[..], tables.split_last()) {
        // SAFETY: the caller's promise. No calls and no loops around single items.
        return unsafe { over_tables(outer, src, dst, &mut |src, dst| scattered(points, src, dst, item, swap)) };
    }
    // SAFETY: the caller's promise.
    unsafe { over_tables(tables, src, dst, &mut |src, dst| copy(&dims, src, dst, item, swap)) };
}

fn directed(direction: Direction, n: usize, item_stride: isize, out_stride: isize) -> Dim {
    match direction {
        Direction::Scatter => Dim {
            n,
            src: item_stride,
            dst: out_stride,
        },
        Direction::Gather => Dim {
            n,
            src: out_stride,
            dst: item_stride,
        },
    }
}

/// Drops axes of one index, sorts the rest by their step in the destination, and merges neighbours.
fn normalise(dims: &mut Vec<Dim>) {
    dims.retain(|dim| dim.n != 1);
    dims.sort_by_key(|dim| std::cmp::Reverse(dim.dst.unsigned_abs()));
    let mut kept = 0;
    for i in 1..dims.len() {
        let inner = dims[i];
        let outer = dims[kept];
        if outer.src == inner.src * inner.n as isize && outer.dst == inner.dst * inner.n as isize {
            dims[kept] = Dim {
                n: outer.n * inner.n,
                ..inner
            };
        } else {
            kept += 1;
            dims[kept] = inner;
        }
    }
    dims.truncate(kept + 1);
}

/// Runs `body` for each combination of the tables' offsets.
///
/// # Safety
/// The offsets must be valid for the pointers.
unsafe fn over_tables(
    tables: &[Vec<(isize, isize)>],
    src: *const u8,
    dst: *mut u8,
    body: &mut dyn FnMut(*const u8, *mut u8),
) {
    match tables.split_first() {
        None => body(src, dst),
        Some((table, rest)) => {
            for &(s, d) in table {
                // SAFETY: the caller's promise, one table at a time.
                unsafe { over_tables(rest, src.offset(s), dst.offset(d), body) };
            }
        }
    }
}

/// Copies a normalised box of items of `item` bytes.
///
/// # Safety
/// Every offset of `dims` must be valid from `src` for reads and from `dst` for writes.
unsafe fn copy(dims: &[Dim], src: *const u8, dst: *mut u8, item: usize, swap: bool) {
    let Some((&inner, outer)) = dims.split_last() else {
        // SAFETY: one item.
        return unsafe { strided(1, src, 0, dst, 0, item, swap) };
    };
    let step = item as isize;
    if inner.src == step && inner.dst == step {
        let nbytes = inner.n * item;
        if swap {
            // SAFETY: `nbytes` contiguous bytes on both sides.
            unsafe { walk(outer, src, dst, &|s, d| strided(inner.n, s, step, d, step, item, true)) };
        } else {
            // SAFETY: `nbytes` contiguous bytes on both sides, which do not overlap.
            unsafe { walk(outer, src, dst, &|s, d| std::ptr::copy_nonoverlapping(s, d, nbytes)) };
        }
        return;
    }
    // The source runs along another axis than the destination (a transpose): walk both in tiles, so that the
    // cache lines of the source are used up before they leave.
    if let Some(position) = outer.iter().position(|dim| dim.src.unsigned_abs() <= 64 && dim.n > 1)
        && inner.src.unsigned_abs() > 64
    {
        let across = outer[position];
        let rest: Vec<Dim> = outer
            .iter()
            .enumerate()
            .filter(|&(i, _)| i != position)
            .map(|(_, dim)| *dim)
            .collect();
        // SAFETY: the two axes and the rest together are the same box.
        unsafe { walk(&rest, src, dst, &|s, d| tiled(across, inner, s, d, item, swap)) };
        return;
    }
    // SAFETY: the innermost axis as it stands.
    unsafe {
        walk(outer, src, dst, &|s, d| {
            strided(inner.n, s, inner.src, d, inner.dst, item, swap)
        })
    };
}

/// Calls `body` at each position of the outer axes.
///
/// # Safety
/// As `copy`.
unsafe fn walk(dims: &[Dim], mut src: *const u8, mut dst: *mut u8, body: &impl Fn(*const u8, *mut u8)) {
    match dims {
        [] => body(src, dst),
        [dim] => {
            for _ in 0..dim.n {
                body(src, dst);
                src = src.wrapping_offset(dim.src);
                dst = dst.wrapping_offset(dim.dst);
            }
        }
        [dim, rest @ ..] => {
            for _ in 0..dim.n {
                // SAFETY: the caller's promise.
                unsafe { walk(rest, src, dst, body) };
                src = src.wrapping_offset(dim.src);
                dst = dst.wrapping_offset(dim.dst);
            }
        }
    }
}

/// A two-dimensional copy in tiles of 32 x 32 items.
///
/// # Safety
/// As `copy`.
unsafe fn tiled(outer: Dim, inner: Dim, src: *const u8, dst: *mut u8, item: usize, swap: bool) {
    const TILE: usize = 32;
    for i in (0..outer.n).step_by(TILE) {
        let rows = TILE.min(outer.n - i);
        for j in (0..inner.n).step_by(TILE) {
            let columns = TILE.min(inner.n - j);
            for row in i..i + rows {
                let s = row as isize * outer.src + j as isize * inner.src;
                let d = row as isize * outer.dst + j as isize * inner.dst;
                // SAFETY: inside the box.
                unsafe { strided(columns, src.offset(s), inner.src, dst.offset(d), inner.dst, item, swap) };
            }
        }
    }
}

/// Copies `n` items along one axis.
///
/// # Safety
/// As `copy`.
#[inline]
unsafe fn strided(n: usize, src: *const u8, s: isize, dst: *mut u8, d: isize, item: usize, swap: bool) {
    let place = |i| (src.wrapping_offset(i * s), dst.wrapping_offset(i * d));
    // SAFETY: the caller vouches for each item.
    unsafe { each((0..n as isize).map(place), item, swap) };
}

/// Copies an item at each pair of offsets.
///
/// # Safety
/// As `copy`.
unsafe fn scattered(points: &[(isize, isize)], src: *const u8, dst: *mut u8, item: usize, swap: bool) {
    let place = |&(s, d): &(isize, isize)| (src.wrapping_offset(s), dst.wrapping_offset(d));
    // SAFETY: the caller vouches for each item.
    unsafe { each(points.iter().map(place), item, swap) };
}

/// Copies an item from and to each of `places`.
///
/// # Safety
/// Each must be valid for an item; no alignment is assumed.
#[inline(always)]
unsafe fn each(places: impl Iterator<Item = (*const u8, *mut u8)>, item: usize, swap: bool) {
    macro_rules! typed {
        ($type:ty) => {
            for (src, dst) in places {
                // SAFETY: the caller vouches for each item.
                unsafe {
                    let value = src.cast::<$type>().read_unaligned();
                    dst.cast::<$type>()
                        .write_unaligned(if swap { value.swap_bytes() } else { value });
                }
            }
        };
    }
    match item {
        1 => typed!(u8),
        2 => typed!(u16),
        4 => typed!(u32),
        8 => typed!(u64),
        16 => typed!(u128),
        _ => {
            for (src, dst) in places {
                // SAFETY: one whole item on each side. Items of other sizes are never swapped here.
                unsafe { std::ptr::copy_nonoverlapping(src, dst, item) };
            }
        }
    }
}

/// Writes `value` (one item), or those parts of it that `piece` names, to every place of the buffer that it names.
///
/// # Safety
/// As `transfer`, for the buffer.
pub unsafe fn fill(buffer: *mut u8, piece: &Piece, value: &[u8]) {
    let Some(windows) = &piece.windows else {
        // SAFETY: the caller's promise.
        return unsafe { fill_with(buffer, piece, value) };
    };
    for window in windows.iter() {
        let part = &value[window.item..window.item + window.nbytes];
        // SAFETY: the caller's promise, one window after the other.
        unsafe { fill_with(buffer.add(window.out), piece, part) };
    }
}

/// Writes `value` to every place of the buffer that `piece` names.
///
/// # Safety
/// As `fill`.
unsafe fn fill_with(buffer: *mut u8, piece: &Piece, value: &[u8]) {
    let mut dims = Vec::with_capacity(piece.axes.len());
    for axis in &piece.axes {
        if let &Axis::Strided { len, out_stride, .. } = axis {
            dims.push(Dim {
                n: len as usize,
                src: 0,
                dst: out_stride,
            });
        }
    }
    // In the row there is one value, whatever the index.
    let tables = piece.tables(&vec![0; piece.axes.len()]);
    if dims.iter().any(|dim| dim.n == 0) {
        return;
    }
    dims.retain(|dim| dim.n != 1);
    dims.sort_by_key(|dim| std::cmp::Reverse(dim.dst.unsigned_abs()));
    let item = value.len();
    // A row of the value, so that contiguous rows are filled by copies of many items.
    let row_items = match dims.last() {
        Some(dim) if dim.dst == item as isize => dim.n,
        _ => 1,
    };
    let pattern: Vec<u8> = value
        .iter()
        .copied()
        .cycle()
        .take(item * row_items.min(4096 / item + 1))
        .collect();
    if row_items > 1 {
        dims.pop();
    }
    let nbytes = row_items * item;
    let write_row = |_: *const u8, dst: *mut u8| {
        for at in (0..nbytes).step_by(pattern.len()) {
            // SAFETY: a row of `nbytes` bytes starts at `dst`.
            unsafe { std::ptr::copy_nonoverlapping(pattern.as_ptr(), dst.add(at), pattern.len().min(nbytes - at)) };
        }
    };
    // SAFETY: the caller vouches for every offset that the piece names.
    unsafe {
        let start = buffer.offset(piece.out);
        over_tables(&tables, pattern.as_ptr(), start, &mut |src, dst| {
            walk(&dims, src, dst, &write_row)
        });
    }
}

/// Calls `body` with every place of the buffer that `piece` names, always in the same order.
///
/// # Safety
/// As `transfer`, for the buffer.
pub unsafe fn visit(buffer: *mut u8, piece: &Piece, body: &mut dyn FnMut(*mut u8)) {
    let strided = |axis: &Axis| match *axis {
        Axis::Strided { len, out_stride, .. } => Some((len, out_stride)),
        Axis::Listed(_) => None,
    };
    let dims: Vec<(u64, isize)> = piece.axes.iter().filter_map(strided).collect();
    let tables = piece.tables(&vec![0; piece.axes.len()]);
    // SAFETY: the caller vouches for every offset that the piece names.
    unsafe {
        over_tables(&tables, std::ptr::null(), buffer.offset(piece.out), &mut |_, place| {
            over_dims(&dims, place, body);
        });
    }
}

fn over_dims(dims: &[(u64, isize)], place: *mut u8, body: &mut dyn FnMut(*mut u8)) {
    match dims {
        [] => body(place),
        &[(len, stride), ref rest @ ..] => {
            for i in 0..len as isize {
                over_dims(rest, place.wrapping_offset(i * stride), body);
            }
        }
    }
}

/// Whether every item is, bit for bit, `value`: so -0.0 is not 0.0, and a NaN is itself.
pub fn all_equal(items: &[u8], value: &[u8]) -> bool {
    let n = value.len();
    // Each item equals the first, and the first the value: one comparison of the buffer with itself.
    items.len() < n || (&items[..n] == value && items[n..] == items[..items.len() - n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{Kind, SwapRun};
    use crate::spec::c_strides;

    fn layout(item: usize, component: usize) -> Layout {
        let runs = if component > 1 {
            vec![SwapRun {
                offset: 0,
                nbytes: component,
                count: item / component,
            }]
        } else {
            vec![]
        };
        Layout::new(Kind::Opaque, item, runs).expect("a layout")
    }

    fn indices(axis: &Axis) -> Vec<(u64, isize)> {
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

    /// The plain definition, item by item.
    fn model(items: &[u8], strides: &[isize], buffer: &mut [u8], piece: &Piece, item: usize, component: usize) {
        let mut places = vec![(0isize, piece.out)];
        for (axis, stride) in piece.axes.iter().zip(strides) {
            places = places
                .iter()
                .flat_map(|&(s, d)| {
                    indices(axis)
                        .into_iter()
                        .map(move |(index, out)| (s + index as isize * stride, d + out))
                })
                .collect();
        }
        for (s, d) in places {
            let mut bytes = items[s as usize..s as usize + item].to_vec();
            bytes.chunks_mut(component).for_each(<[u8]>::reverse);
            buffer[d as usize..d as usize + item].copy_from_slice(&bytes);
        }
    }

    fn pieces(shape: &[u64], item: usize) -> Vec<Piece> {
        let n = item as isize;
        let c = c_strides(&[9, 9, 9], item);
        let mut pieces = vec![Piece::whole(shape, &c), Piece::new(Piece::whole(shape, &c).axes, 3 * n)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let strides: Vec<isize> = order.iter().map(|&i| c[i]).collect();
            pieces.push(Piece::whole(shape, &strides));
            let mut sparse = Piece::whole(shape, &strides);
            sparse.axes[1] = Axis::Strided {
                start: 1,
                step: 2,
                len: 2,
                out_stride: strides[1],
            };
            pieces.push(sparse.clone());
            sparse.axes[2] = Axis::Listed([(3, 0), (1, 2 * strides[2]), (0, strides[2])].into());
            pieces.push(sparse);
        }
        pieces
    }

    #[test]
    fn transfer_matches_the_definition() {
        let shape = [7, 6, 5];
        for (item, component) in [(1, 1), (2, 2), (4, 4), (8, 8), (8, 4), (16, 8), (16, 16), (3, 1)] {
            let layout = layout(item, component);
            let strides = c_strides(&shape, item);
            let mut items: Vec<u8> = (0..7 * 6 * 5 * item).map(|i| (i * 31 % 251) as u8).collect();
            for piece in pieces(&shape, item) {
                for swap in [false, component > 1] {
                    let mut expected = vec![0xEE; 9 * 9 * 9 * item + 64];
                    let mut found = expected.clone();
                    model(
                        &items,
                        &strides,
                        &mut expected,
                        &piece,
                        item,
                        if swap { component } else { 1 },
                    );
                    let (from, to) = (items.as_mut_ptr(), found.as_mut_ptr());
                    // SAFETY: the buffer holds 9^3 items, the piece stays inside.
                    unsafe { transfer(Direction::Scatter, from, &strides, to, &piece, &layout, swap) };
                    assert!(found == expected, "item {item}, component {component}, {piece:?}");
                    // And back: what was gathered is what was scattered.
                    let mut back = items.clone();
                    // SAFETY: as above.
                    unsafe {
                        transfer(
                            Direction::Gather,
                            back.as_mut_ptr(),
                            &strides,
                            to,
                            &piece,
                            &layout,
                            swap,
                        )
                    };
                    assert!(back == items, "gather: item {item}, component {component}, {piece:?}");
                }
            }
        }
    }

    #[test]
    fn large_transposes_are_tiled_right() {
        let (rows, columns) = (70u64, 45u64);
        let mut items: Vec<u8> = (0..rows * columns).flat_map(|i| (i as u32).to_le_bytes()).collect();
        let mut found = vec![0u8; items.len()];
        let piece = Piece::whole(&[rows, columns], &[4, 4 * rows as isize]);
        let strides = c_strides(&[rows, columns], 4);
        // SAFETY: both buffers hold rows x columns items.
        unsafe {
            let (from, to) = (items.as_mut_ptr(), found.as_mut_ptr());
            transfer(Direction::Scatter, from, &strides, to, &piece, &layout(4, 4), false);
        }
        let value = |i: u64| u32::from_le_bytes(found[4 * i as usize..][..4].try_into().expect("4 bytes"));
        for r in 0..rows {
            for c in 0..columns {
                assert_eq!(u64::from(value(c * rows + r)), r * columns + c);
            }
        }
    }

    #[test]
    fn fill_writes_the_piece_and_nothing_else() {
        for item in [1usize, 2, 3, 8, 16] {
            let value: Vec<u8> = (1..=item as u8).collect();
            for piece in pieces(&[7, 6, 5], item) {
                let mut expected = vec![0xEE; 9 * 9 * 9 * item + 64];
                let mut found = expected.clone();
                let items: Vec<u8> = value.iter().copied().cycle().take(7 * 6 * 5 * item).collect();
                model(&items, &c_strides(&[7, 6, 5], item), &mut expected, &piece, item, 1);
                // SAFETY: the buffer holds 9^3 items, the piece stays inside.
                unsafe { fill(found.as_mut_ptr(), &piece, &value) };
                assert!(found == expected, "item {item}, {piece:?}");
            }
        }
    }

    #[test]
    fn windows_move_and_fill_parts_of_items() {
        // Items of 6 bytes: 2..5 of each go to 1..4 of items of 4 bytes, and nothing else is touched.
        let window = Window {
            item: 2,
            out: 1,
            nbytes: 3,
        };
        let listed = Axis::Listed([(4, 4), (0, 0), (2, 8)].into());
        for axis in [Piece::whole(&[5], &[4]).axes[0].clone(), listed] {
            let piece = Piece {
                windows: Some([window].into()),
                ..Piece::new(vec![axis.clone()], 0)
            };
            let mut items: Vec<u8> = (0..30).collect();
            let mut found = vec![0xEE; 20];
            let mut expected = found.clone();
            let mut filled = found.clone();
            for (index, out) in indices(&axis) {
                let (from, to) = (index as usize * 6 + 2, out as usize + 1);
                expected[to..to + 3].copy_from_slice(&items[from..from + 3]);
            }
            let layout = layout(6, 1);
            // SAFETY: the buffer holds 5 items of 4 bytes, the box 5 of 6.
            unsafe {
                let (from, to) = (items.as_mut_ptr(), found.as_mut_ptr());
                transfer(Direction::Scatter, from, &[6], to, &piece, &layout, false);
            }
            assert_eq!(found, expected);
            let mut back = vec![0; 30];
            // SAFETY: as above.
            unsafe {
                transfer(
                    Direction::Gather,
                    back.as_mut_ptr(),
                    &[6],
                    found.as_mut_ptr(),
                    &piece,
                    &layout,
                    false,
                )
            };
            for (index, _) in indices(&axis) {
                let at = index as usize * 6;
                assert_eq!(back[at..at + 2], [0, 0]);
                assert_eq!(back[at + 2..at + 5], items[at + 2..at + 5]);
                assert_eq!(back[at + 5], 0);
            }
            for (_, out) in indices(&axis) {
                expected[out as usize + 1..out as usize + 4].copy_from_slice(&[9, 8, 7]);
            }
            // SAFETY: as above.
            unsafe { fill(filled.as_mut_ptr(), &piece, &[1, 1, 9, 8, 7, 1]) };
            assert_eq!(filled, expected);
        }
    }

    #[test]
    fn equality_with_the_fill_value_is_bitwise() {
        let zero = 0f64.to_ne_bytes();
        assert!(all_equal(&[zero, zero].concat(), &zero));
        assert!(!all_equal(&[zero, (-0f64).to_ne_bytes()].concat(), &zero));
        assert!(all_equal(&f64::NAN.to_ne_bytes(), &f64::NAN.to_ne_bytes()));
        assert!(all_equal(&[], &zero));
    }
}
