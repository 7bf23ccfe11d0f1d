//! Pieces of a chunk as bytes of the input choose them, and reads of them into guarded buffers.

use zarrpipe_core::chain::Chain;
use zarrpipe_core::copy::Buffer;
use zarrpipe_core::heap::Heap;
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::select::{Axis, Piece};
use zarrpipe_core::variable;

/// Bytes around the buffer that nobody may write.
const GUARD_NBYTES: usize = 64;
const GUARD: u8 = 0xa5;

/// What is wanted of a chunk: for each item of the result its place in the chunk, in C order of both.
pub struct Wanted {
    piece: Piece,
    items: Vec<usize>,
}

/// Takes a byte off the input, 0 where it is at its end.
fn take(input: &mut &[u8]) -> u64 {
    let Some((&first, rest)) = input.split_first() else {
        return 0;
    };
    *input = rest;
    u64::from(first)
}

fn indices(input: &mut &[u8], extent: u64) -> (Vec<u64>, bool) {
    let how = take(input);
    if extent == 0 {
        return (Vec::new(), how % 2 == 0);
    }
    if how % 2 == 0 {
        let (start, step) = (take(input) * extent / 256, 1 + how / 2 % 5);
        let most = (extent - 1 - start) / step + 1;
        let len = most.saturating_sub(take(input) * most / 256);
        return ((0..len).map(|n| start + n * step).collect(), true);
    }
    let listed = (0..how / 2 % 6).map(|_| take(input) * extent / 256).collect();
    (listed, false)
}

impl Wanted {
    pub fn parse(input: &mut &[u8], chain: &Chain) -> Self {
        let (spec, item_nbytes) = (chain.spec(), chain.spec().layout.item_nbytes as isize);
        let chosen: Vec<(Vec<u64>, bool)> = spec.shape.iter().map(|&extent| indices(input, extent)).collect();
        let mut out_stride = item_nbytes;
        let mut axes = Vec::new();
        for (indices, strided) in chosen.iter().rev() {
            axes.push(match strided {
                true => Axis::Strided {
                    start: indices.first().copied().unwrap_or(0),
                    step: indices.get(1).map_or(1, |next| next - indices[0]),
                    len: indices.len() as u64,
                    out_stride,
                },
                false => {
                    let pair = |(n, &index): (usize, &u64)| (index, n as isize * out_stride);
                    Axis::Listed(indices.iter().enumerate().map(pair).collect())
                }
            });
            out_stride *= indices.len().max(1) as isize;
        }
        axes.reverse();
        let mut items = vec![0];
        for ((indices, _), &extent) in chosen.iter().zip(&spec.shape) {
            let next = |&at: &usize| indices.iter().map(move |&index| at * extent as usize + index as usize);
            items = items.iter().flat_map(next).collect();
        }
        Wanted {
            piece: Piece::new(axes, 0),
            items,
        }
    }

    /// Reads the piece, and compares it with the whole chunk where that can be read.
    pub fn read(&self, name: &str, chain: &Chain, data: &[u8]) {
        let item_nbytes = chain.spec().layout.item_nbytes;
        let nbytes = self.items.len() * item_nbytes;
        let mut buffer = vec![GUARD; nbytes + 2 * GUARD_NBYTES];
        let (heap, inside) = (Heap::default(), GUARD_NBYTES..GUARD_NBYTES + nbytes);
        // No descriptor.
        buffer[inside.clone()].fill(0);
        let start = buffer[inside.clone()].as_mut_ptr();
        // SAFETY: the piece's offsets are those of its items in the buffer, in C order.
        let target = unsafe { Buffer::new(start).with_heap(&heap) };
        let found = chain.decode_piece(Bytes::Borrowed(data), self.piece.clone(), target);
        let guards = [&buffer[..inside.start], &buffer[inside.end..]];
        assert!(
            guards.iter().all(|guard| guard.iter().all(|&b| b == GUARD)),
            "{name}: guard"
        );
        let Ok(whole) = chain.decode(Bytes::Borrowed(data)) else {
            return;
        };
        found.unwrap_or_else(|error| panic!("{name}: the whole chunk can be read, a piece not: {error}"));
        let found = &buffer[inside];
        if chain.spec().layout.variable().is_none() {
            let want: Vec<u8> = self
                .items
                .iter()
                .flat_map(|n| &whole[n * item_nbytes..][..item_nbytes])
                .copied()
                .collect();
            assert!(found == want, "{name}: other items");
            return;
        }
        // SAFETY: the items are descriptors of what the heap keeps.
        let packed = unsafe { variable::pack(found) }.expect("items that were read can be packed");
        assert!(
            self.items
                .iter()
                .enumerate()
                .all(|(i, &n)| packed_item(&packed, i) == packed_item(&whole, n)),
            "{name}: other items"
        );
    }
}

/// An item of those that `variable::pack` has packed.
fn packed_item(packed: &[u8], n: usize) -> &[u8] {
    let number = |at: usize| {
        let bytes = packed[8 * at..].first_chunk().expect("eight bytes");
        u64::from_le_bytes(*bytes) as usize
    };
    let (count, start) = (number(0), if n == 0 { 0 } else { number(n) });
    &packed[8 * (count + 1)..][start..number(n + 1)]
}
