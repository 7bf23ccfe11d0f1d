//! What a chunk job is: a state machine that says what it needs, and does no I/O.

use crate::codec::Stage;
use crate::error::Result;
use crate::scratch::Bytes;
use crate::select::{Axis, Piece};
use crate::spec::ChunkSpec;
use crate::store::{ByteRange, Found, Part};

/// Decoded bytes that one step of work should have: small enough to share out, large enough to be worth it.
pub const WORK_NBYTES: u64 = 1 << 20;
/// Encoded bytes that one request may fetch for inner chunks that lie together.
pub const FETCH_NBYTES: u64 = 4 << 20;
/// Bytes of an uncompressed chunk that are fetched and scattered at once: they stay in the cache of a core.
pub const BLOCK_NBYTES: u64 = 512 << 10;

/// What a job is told.
pub enum Input {
    Start,
    /// The ranges that it needed.
    Found(Found),
    /// The key has no value.
    Missing,
    /// What the stage that it asked for gave.
    Coded(Option<Bytes<'static>>),
    /// All the jobs that it split into are done.
    Joined,
}

/// What a job wants next.
pub enum Step {
    /// Ranges of its key.
    Need(Vec<ByteRange>),
    /// A range that other jobs of the key will need too: the index of a shard.
    NeedIndex(ByteRange),
    /// A codec that must be awaited.
    Code(Coding),
    /// A codec that reads or writes parts of the key's value by itself.
    CodePart(PartCoding),
    /// Jobs of the same key; the job goes on when the last of them is done.
    Split(Vec<Box<dyn Job>>),
    /// Replace the key's value; then the job is done.
    Put(Vec<Part>),
    /// Delete the key; then the job is done.
    Delete,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Decode,
    Encode,
}

/// A request for a codec that must be awaited.
pub struct Coding {
    pub way: Way,
    pub stage: Stage,
    pub data: Bytes<'static>,
    /// What the chunk is in front of the stage.
    pub spec: ChunkSpec,
}

/// A request for a codec that deals with the key's value by itself.
pub struct PartCoding {
    pub stage: Stage,
    /// (start, step, n) along each axis.
    pub selection: Vec<(u64, u64, u64)>,
    /// The items to encode in C order of the selection; none for decoding, which is answered by such items.
    pub items: Option<Bytes<'static>>,
}

impl PartCoding {
    /// A part of a chunk whose only stage is `stage`; the piece is made of slices.
    pub fn new(stage: Stage, piece: &Piece, items: Option<Bytes<'static>>) -> Self {
        let slice = |axis: &Axis| match *axis {
            Axis::Strided { start, step, len, .. } => Some((start, step, len)),
            Axis::Listed(_) => None,
        };
        let selection = piece.axes.iter().filter_map(slice).collect();
        PartCoding {
            stage,
            selection,
            items,
        }
    }
}

/// The piece that moves a box of exactly the items of `piece`, which is made of slices, to and from the same places,
/// and that box's shape.
pub fn compact(piece: &Piece) -> (Piece, Vec<u64>) {
    let mut compact = piece.clone();
    for axis in &mut compact.axes {
        if let Axis::Strided { start, step, .. } = axis {
            (*start, *step) = (0, 1);
        }
    }
    (compact, piece.axes.iter().map(Axis::len).collect())
}

/// Whether a piece is made of slices, and of whole items.
pub fn is_sliced(piece: &Piece) -> bool {
    piece.windows.is_none() && piece.axes.iter().all(|axis| matches!(axis, Axis::Strided { .. }))
}

pub trait Job: Send {
    fn advance(&mut self, input: Input) -> Result<Step>;
}

/// The input cannot answer what the job asked: a mistake of the driver.
pub fn unexpected() -> crate::error::Error {
    crate::error::Error::internal("a job was given an answer that it did not ask for")
}
