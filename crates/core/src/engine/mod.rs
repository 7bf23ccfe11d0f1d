//! The engine: plans of chunk jobs, and the drivers that run them.
//!
//! `plan` turns an array and a selection into chunk jobs; `read` and `write` are those jobs (they do no I/O);
//! `drive` runs them on `pool`'s workers or in the calling thread, against a store that answers at once or against
//! an event loop that answers later; `locks` serialises the writers of a key.

pub mod drive;
pub mod job;
pub mod locks;
pub mod plan;
pub mod pool;
pub mod read;
pub mod unit;
pub mod write;
