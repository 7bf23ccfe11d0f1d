//! zarrpipe's core: codec chains, shards, and the engine that moves chunks between stores and arrays.

pub mod cancel;
pub mod chain;
pub mod codec;
pub mod copy;
pub mod cuts;
pub mod dtype;
pub mod engine;
pub mod error;
pub mod grid;
pub mod heap;
pub mod keys;
pub mod layers;
pub mod limits;
pub mod number;
pub mod scratch;
pub mod select;
pub mod spec;
pub mod store;
pub mod variable;
