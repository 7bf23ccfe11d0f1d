//! Compression contexts: made once per thread, since making one costs more than a small chunk.
//!
//! A context is taken out of its slot while it is in use, so that a codec that is entered again on the same thread
//! makes its own; and one that failed is not put back, since its state is then not to be trusted.

use std::cell::Cell;
use std::thread::LocalKey;

pub type Slot<T> = LocalKey<Cell<Option<T>>>;

pub fn take<T>(slot: &'static Slot<T>) -> Option<T> {
    slot.try_with(Cell::take).ok().flatten()
}

pub fn put_back<T>(slot: &'static Slot<T>, context: T) {
    // A thread that is ending has no slots any more: the context is dropped.
    let _ = slot.try_with(|slot| slot.set(Some(context)));
}
