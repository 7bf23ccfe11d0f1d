//! What the engine knows of a data type: its size, its kind, and which bytes an endian change reverses.

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Bool,
    Int,
    Uint,
    Float,
    Complex,
    Opaque,
}

/// `count` components of `nbytes` each, from `offset` in the item; only components of more than one byte are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SwapRun {
    pub offset: usize,
    pub nbytes: usize,
    pub count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub kind: Kind,
    pub item_nbytes: usize,
    pub swap_runs: Vec<SwapRun>,
}

impl Layout {
    pub fn new(kind: Kind, item_nbytes: usize, swap_runs: Vec<SwapRun>) -> Result<Self> {
        let fits = swap_runs.iter().all(|run| {
            run.nbytes > 1
                && run
                    .nbytes
                    .checked_mul(run.count)
                    .and_then(|n| n.checked_add(run.offset))
                    .is_some_and(|end| end <= item_nbytes)
        });
        if item_nbytes == 0 || !fits {
            return Err(Error::metadata(format!(
                "no layout of {item_nbytes} bytes with runs {swap_runs:?}"
            )));
        }
        Ok(Layout {
            kind,
            item_nbytes,
            swap_runs,
        })
    }

    /// A scalar type of one component: the shard index is an array of these.
    pub fn uint64() -> Self {
        Layout {
            kind: Kind::Uint,
            item_nbytes: 8,
            swap_runs: vec![SwapRun {
                offset: 0,
                nbytes: 8,
                count: 1,
            }],
        }
    }

    /// Whether the byte order of the stored form matters.
    pub fn has_byte_order(&self) -> bool {
        !self.swap_runs.is_empty()
    }

    /// The component size where the whole item is components of one size: then a swap is one tight loop.
    pub fn uniform_component(&self) -> Option<usize> {
        match self.swap_runs.as_slice() {
            [run] if run.offset == 0 && run.nbytes * run.count == self.item_nbytes => Some(run.nbytes),
            _ => None,
        }
    }
}

/// Reverses the bytes of each component of each item: native to foreign byte order, or back.
///
/// Bytes behind the last whole item are left alone.
pub fn swap_items(bytes: &mut [u8], layout: &Layout) {
    match layout.uniform_component() {
        // Constant sizes compile to vector shuffles.
        Some(2) => swap_components::<2>(bytes),
        Some(4) => swap_components::<4>(bytes),
        Some(8) => swap_components::<8>(bytes),
        Some(nbytes) => bytes.chunks_exact_mut(nbytes).for_each(<[u8]>::reverse),
        None => bytes
            .chunks_exact_mut(layout.item_nbytes)
            .for_each(|item| swap_runs(item, &layout.swap_runs)),
    }
}

fn swap_components<const N: usize>(bytes: &mut [u8]) {
    bytes
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .for_each(|component| component.reverse());
}

fn swap_runs(item: &mut [u8], runs: &[SwapRun]) {
    for run in runs {
        let components = &mut item[run.offset..run.offset + run.nbytes * run.count];
        components.chunks_exact_mut(run.nbytes).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod swap_tests {
    use super::*;

    fn swapped(item_nbytes: usize, runs: &[(usize, usize, usize)], bytes: &[u8]) -> Vec<u8> {
        let runs = runs
            .iter()
            .map(|&(offset, nbytes, count)| SwapRun { offset, nbytes, count })
            .collect();
        let layout = Layout::new(Kind::Opaque, item_nbytes, runs).unwrap();
        let mut out = bytes.to_vec();
        swap_items(&mut out, &layout);
        out
    }

    #[test]
    fn components_of_one_size() {
        for nbytes in [2, 3, 4, 8, 16] {
            let bytes: Vec<u8> = (0..5 * nbytes as u8).collect();
            let want: Vec<u8> = bytes.chunks(nbytes).flat_map(|c| c.iter().rev().copied()).collect();
            assert_eq!(swapped(nbytes, &[(0, nbytes, 1)], &bytes), want);
        }
        // A complex item is two components.
        assert_eq!(
            swapped(8, &[(0, 4, 2)], &[0, 1, 2, 3, 4, 5, 6, 7]),
            [3, 2, 1, 0, 7, 6, 5, 4]
        );
    }

    #[test]
    fn a_structure_swaps_field_by_field() {
        // u8, u16, padding, two f32
        let bytes = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        ];
        let want = [
            0, 2, 1, 3, 7, 6, 5, 4, 11, 10, 9, 8, 20, 22, 21, 23, 27, 26, 25, 24, 31, 30, 29, 28,
        ];
        assert_eq!(swapped(12, &[(1, 2, 1), (4, 4, 2)], &bytes), want);
        assert_eq!(swapped(3, &[], &bytes[..6]), bytes[..6]);
    }
}
