//! The flag that says the running call was given up, for codecs that take long over one chunk.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static FLAG: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Runs `body` with `flag` as this thread's; nested calls put the outer one back.
pub fn with<T>(flag: &Arc<AtomicBool>, body: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<AtomicBool>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FLAG.with(|slot| *slot.borrow_mut() = self.0.take());
        }
    }
    let _restore = Restore(FLAG.with(|slot| slot.borrow_mut().replace(flag.clone())));
    body()
}

/// Whether the call that this thread works for was given up.
pub fn cancelled() -> bool {
    FLAG.with(|slot| slot.borrow().as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)))
}
