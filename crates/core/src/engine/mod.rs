//! The engine: plans of chunk jobs, and the drivers that run them.
//!
//! `plan` turns an array and a selection into chunk jobs; `read` (with `plain` for items that are stored as they are),
//! `write` and `unit` (codecs that must be awaited) are those jobs, and do no I/O;
//! `drive` runs them on `pool`'s workers or in the calling thread, against a store that answers at once or against
//! an event loop that answers later; `locks` serialises the writers of a key.

pub mod drive;
pub mod indexes;
pub mod job;
pub mod locks;
pub mod plain;
pub mod plan;
pub mod pool;
pub mod read;
pub mod unit;
pub mod waiter;
pub mod write;
