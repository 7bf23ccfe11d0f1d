//! Items of variable length: text and bytes.
//!
//! Inside the engine such an item is a *descriptor*: sixteen bytes, an address and a length. What it describes lies in
//! a `Heap`, or belongs to a spec's fill value. So descriptors are copied, permuted and split like any other items of
//! sixteen bytes, and only what takes items from bytes or makes bytes of them looks behind them.
//!
//! The rule that all rests on: descriptors are made here, from bytes that a heap keeps, and whoever holds a buffer of
//! descriptors holds the heap too. What comes from outside (a store, Python) is never taken for a descriptor. It comes
//! *packed*: the number of items, their ends, and their bytes one after the other, all of which `unpack` checks.
//!
//! A place that was never written holds zeros, which is no descriptor: that of an empty item has an address too.

use std::ptr;

use crate::copy::{self, Buffer};
use crate::dtype::Content;
use crate::error::{Error, Result};
use crate::heap::{Heap, ITEM_NBYTES, describe};
use crate::limits::in_memory;
use crate::scratch::{self, Bytes, Scratch};
use crate::select::Piece;

/// What a descriptor describes; None for a place that was never written.
///
/// # Safety
/// `descriptor` is one of `describe`'s, of bytes that live for `'h`, or zeros.
unsafe fn described<'h>(descriptor: [u8; ITEM_NBYTES]) -> Option<&'h [u8]> {
    let (address, nbytes) = descriptor.split_at(8);
    let address = u64::from_ne_bytes(*address.first_chunk()?) as usize;
    let nbytes = u64::from_ne_bytes(*nbytes.first_chunk()?) as usize;
    if address == 0 {
        return None;
    }
    // SAFETY: the caller's promise; a descriptor's address has been exposed when it was made.
    Some(unsafe { std::slice::from_raw_parts(ptr::with_exposed_provenance(address), nbytes) })
}

/// What each descriptor of a buffer describes; None for places that were never written.
///
/// # Safety
/// `items` are descriptors of bytes that live as long as the borrow, or zeros.
pub unsafe fn places(items: &[u8]) -> impl ExactSizeIterator<Item = Option<&[u8]>> + Clone {
    let (descriptors, _) = items.as_chunks::<ITEM_NBYTES>();
    // SAFETY: the caller's promise.
    descriptors.iter().map(|&descriptor| unsafe { described(descriptor) })
}

/// What each descriptor of a buffer describes; a place that was never written counts as empty.
///
/// # Safety
/// As `places`.
pub unsafe fn contents(items: &[u8]) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
    // SAFETY: the caller's promise.
    unsafe { places(items) }.map(Option::unwrap_or_default)
}

/// Whether each item is, byte for byte, `value`.
///
/// # Safety
/// As `places`.
pub unsafe fn all_equal(items: &[u8], value: &[u8]) -> bool {
    // SAFETY: the caller's promise.
    unsafe { contents(items) }.all(|item| item == value)
}

/// The bytes of all items together.
///
/// # Safety
/// As `places`.
pub unsafe fn total_nbytes(items: &[u8]) -> Result<usize> {
    // SAFETY: the caller's promise.
    let mut lens = unsafe { contents(items) }.map(<[u8]>::len);
    lens.try_fold(0_usize, usize::checked_add)
        .ok_or_else(|| Error::memory(u64::MAX))
}

/// Descriptors of the parts of `bytes` from `from` on that end at `ends`, which do not fall and stay within `bytes`.
pub fn describe_parts(bytes: &[u8], from: usize, ends: impl ExactSizeIterator<Item = usize>) -> Result<Scratch> {
    let mut items = take_items(ends.len())?;
    let mut from = from;
    for (item, to) in items.chunks_exact_mut(ITEM_NBYTES).zip(ends) {
        let part = bytes
            .get(from..to)
            .ok_or_else(|| Error::corrupt(format!("an item lies from byte {from} to {to} of {}", bytes.len())))?;
        item.copy_from_slice(&describe(part));
        from = to;
    }
    Ok(items)
}

/// A buffer for the descriptors of `count` items.
pub fn take_items(count: usize) -> Result<Scratch> {
    scratch::take(in_memory((count as u64).saturating_mul(ITEM_NBYTES as u64))?)
}

/// Items that are given one by one, and then lie in a heap.
#[derive(Default)]
pub struct Builder {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Builder {
    pub fn push(&mut self, item: &[u8]) -> Result<()> {
        let no_memory = |_| Error::memory(item.len() as u64);
        self.bytes.try_reserve(item.len()).map_err(no_memory)?;
        self.ends.try_reserve(1).map_err(no_memory)?;
        self.bytes.extend_from_slice(item);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// The descriptors of the items, which `heap` keeps from now on.
    pub fn finish(self, heap: &Heap) -> Result<Scratch> {
        describe_parts(heap.keep(self.bytes), 0, self.ends.into_iter())
    }
}

/// Copies what the items of a piece describe to the buffer's heap, and describes the copies.
///
/// A decoded chunk is let go as soon as it is scattered: the heap holds what the piece has of it and no more, however
/// large the chunk was.
///
/// # Safety
/// The buffer's maker vouches for the piece, and its items there are descriptors of live bytes.
pub unsafe fn adopt(buffer: Buffer, piece: &Piece) -> Result<()> {
    let heap = buffer
        .heap()
        .ok_or_else(|| Error::internal("items of variable length were decoded without a heap"))?;
    // SAFETY: `visit` gives the places of descriptors, which need not be aligned.
    let at = |place: *mut u8| unsafe { described(place.cast::<[u8; ITEM_NBYTES]>().read_unaligned()) };
    let mut nbytes = 0_usize;
    let mut count = |place| nbytes = nbytes.saturating_add(at(place).unwrap_or_default().len());
    // SAFETY: the caller's promise.
    unsafe { copy::visit(buffer.start(), piece, &mut count) };
    let mut block = Vec::new();
    block
        .try_reserve_exact(nbytes)
        .map_err(|_| Error::memory(nbytes as u64))?;
    // SAFETY: as above.
    unsafe {
        copy::visit(buffer.start(), piece, &mut |place| {
            block.extend_from_slice(at(place).unwrap_or_default());
        });
    }
    let mut rest = heap.keep(block);
    // SAFETY: as above; the lengths are those that were summed up, in the same order.
    unsafe {
        copy::visit(buffer.start(), piece, &mut |place| {
            let (item, behind) = rest.split_at(at(place).unwrap_or_default().len());
            place.cast::<[u8; ITEM_NBYTES]>().write_unaligned(describe(item));
            rest = behind;
        });
    }
    Ok(())
}

/// Items as one run of bytes that has no addresses: their number and the end of each (u64, little-endian), then what
/// they hold.
///
/// # Safety
/// As `places`.
pub unsafe fn pack(items: &[u8]) -> Result<Bytes<'static>> {
    // SAFETY: the caller's promise.
    let (contents, nbytes) = unsafe { (contents(items), total_nbytes(items)?) };
    let head = 8 * (contents.len() + 1);
    let mut packed = scratch::take(head.checked_add(nbytes).ok_or_else(|| Error::memory(u64::MAX))?)?;
    packed[..8].copy_from_slice(&(contents.len() as u64).to_le_bytes());
    let (ends, mut bytes) = packed[8..].split_at_mut(8 * contents.len());
    let mut end = 0_u64;
    for (slot, item) in ends.chunks_exact_mut(8).zip(contents) {
        end += item.len() as u64;
        slot.copy_from_slice(&end.to_le_bytes());
        let (place, rest) = bytes.split_at_mut(item.len());
        place.copy_from_slice(item);
        bytes = rest;
    }
    Ok(packed.into())
}

/// The descriptors of `count` packed items, which `heap` keeps from now on. All that the bytes say is checked.
pub fn unpack(packed: Bytes<'_>, count: u64, content: Content, heap: &Heap) -> Result<Scratch> {
    let said = packed.first_chunk().map(|head| u64::from_le_bytes(*head));
    if said != Some(count) {
        return Err(Error::size(format!(
            "{said:?} packed items came where there are {count}"
        )));
    }
    let start = count
        .checked_add(1)
        .and_then(|n| usize::try_from(n.checked_mul(8)?).ok());
    let start = start
        .filter(|&start| start <= packed.len())
        .ok_or_else(|| Error::truncated("packed items without room for their ends"))?;
    let kept = heap.keep(packed.into_owned()?);
    let (head, bytes) = kept.split_at(start);
    let ends = head[8..]
        .as_chunks::<8>()
        .0
        .iter()
        .map(|end| usize::try_from(u64::from_le_bytes(*end)).unwrap_or(usize::MAX));
    if ends.clone().next_back().unwrap_or(0) != bytes.len() {
        return Err(Error::size("packed items do not end where their bytes end"));
    }
    let items = describe_parts(bytes, 0, ends)?;
    // SAFETY: they were described just now.
    check_contents(unsafe { contents(&items) }, content)?;
    Ok(items)
}

/// An error where an item is not of the content's kind.
pub fn check_contents<'h>(mut contents: impl Iterator<Item = &'h [u8]>, content: Content) -> Result<()> {
    if content != Content::Utf8 {
        return Ok(());
    }
    match contents.position(|item| std::str::from_utf8(item).is_err()) {
        None => Ok(()),
        Some(number) => Err(Error::corrupt(format!("item {number} is not UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::select::Axis;

    fn texts(items: &[u8]) -> Vec<String> {
        // SAFETY: the tests' descriptors, whose heaps are alive.
        unsafe { contents(items) }
            .map(|item| String::from_utf8(item.to_vec()).unwrap())
            .collect()
    }

    fn built(heap: &Heap, items: &[&str]) -> Scratch {
        let mut builder = Builder::default();
        for item in items {
            builder.push(item.as_bytes()).unwrap();
        }
        builder.finish(heap).unwrap()
    }

    #[test]
    fn what_is_built_is_read_and_zeros_are_no_item() {
        let heap = Heap::default();
        let items = built(&heap, &["", "zwölf", "a"]);
        assert_eq!(texts(&items), ["", "zwölf", "a"]);
        // SAFETY: as above.
        assert!(unsafe { places(&items) }.all(|place| place.is_some()));
        // SAFETY: zeros.
        assert!(unsafe { places(&[0; 32]) }.all(|place| place.is_none()));
        // SAFETY: as above.
        unsafe {
            assert!(!all_equal(&items, b""));
            assert!(all_equal(&items[..16], b"") && all_equal(&items[32..], b"a") && all_equal(&[], b"a"));
            assert_eq!(total_nbytes(&items).unwrap(), 7);
        }
    }

    #[test]
    fn packed_items_come_back() {
        let heap = Heap::default();
        let items = built(&heap, &["", "zwölf", "a"]);
        // SAFETY: the descriptors' heap is alive.
        let packed = unsafe { pack(&items) }.unwrap();
        let other = Heap::default();
        let back = unpack(packed, 3, Content::Utf8, &other).unwrap();
        drop(heap);
        assert_eq!(texts(&back), ["", "zwölf", "a"]);
    }

    #[test]
    fn packed_items_that_lie_are_refused() {
        let heap = Heap::default();
        let items = built(&heap, &["ab", "zwölf"]);
        // SAFETY: the descriptors' heap is alive.
        let good = unsafe { pack(&items) }.unwrap().to_vec();
        let kind = |bytes: &[u8], count| {
            unpack(Bytes::Borrowed(bytes), count, Content::Utf8, &heap)
                .err()
                .map(|error| error.kind())
        };
        assert_eq!(kind(&good, 2), None);
        assert_eq!(kind(&good, 3), Some(Kind::Size));
        for cut in 0..good.len() {
            assert!(kind(&good[..cut], 2).is_some(), "cut at {cut}");
        }
        assert_eq!(kind(&[&good[..], b"x"].concat(), 2), Some(Kind::Size));
        let changed = |at: usize, byte| {
            let mut bad = good.clone();
            bad[at] = byte;
            kind(&bad, 2)
        };
        assert_eq!(changed(8, 200), Some(Kind::Codec)); // an end behind the bytes
        assert_eq!(changed(15, 255), Some(Kind::Codec)); // and one behind all memory
        assert_eq!(changed(16, 1), Some(Kind::Size)); // the last end before the last byte
        assert_eq!(changed(8, 5), Some(Kind::Codec)); // cuts the "ö"
        let huge = [u64::MAX.to_le_bytes(), [0; 8]].concat();
        assert_eq!(kind(&huge, u64::MAX), Some(Kind::Truncated));
    }

    #[test]
    fn adopted_items_outlive_their_heap() {
        let (heap, old) = (Heap::default(), Heap::default());
        let mut items = built(&old, &["a", "bc", "def", "ghij"]);
        // SAFETY: the buffer and its heap live for all of the test.
        let buffer = unsafe { Buffer::new(items.as_mut_ptr()).with_heap(&heap) };
        let every_other = Axis::Strided {
            start: 0,
            step: 1,
            len: 2,
            out_stride: 32,
        };
        // SAFETY: two of four items.
        unsafe { adopt(buffer, &Piece::new(vec![every_other], 16)) }.unwrap();
        let rest = built(&heap, &["", ""]);
        items[..16].copy_from_slice(&rest[..16]);
        items[32..48].copy_from_slice(&rest[16..]);
        drop(old);
        assert_eq!(texts(&items), ["", "bc", "", "ghij"]);
        assert_eq!(heap.kept(0), b"bcghij");
    }
}
