//! Plans: an array, a piece of it and a buffer become chunk jobs.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::drive::{ChunkJob, Jobs};
use super::job::WORK_NBYTES;
use super::locks::Locking;
use super::read::{ReadChunk, ReadContext};
use super::write::{PutValue, WriteChunk, WriteContext};
use crate::chain::{Chain, Encoding};
use crate::codec::sharding_indexed::Sharding;
use crate::copy::Buffer;
use crate::error::{Error, Kind, Result};
use crate::grid::Grid;
use crate::keys::Keys;
use crate::layers::{Layer, LayerSplit};
use crate::scratch::Bytes;
use crate::select::{Piece, Split};
use crate::store::Access;

/// What a read of a single item costs, in bytes that are decoded in that time.
const LISTED_NBYTES: u64 = 4096;

/// All that the engine knows of an array.
pub struct ArrayPlan {
    /// The chain of every chunk; in a grid of several shapes that of the smallest, which speaks for the others where
    /// the shape does not matter.
    pub chain: Arc<Chain>,
    /// Where the chunks have several shapes: a chain for each.
    pub shaped: Option<ShapedChains>,
    pub grid: Grid,
    pub keys: Keys,
    pub encoding: Encoding,
    /// Whether a chunk that is not stored is fill value, or an error.
    pub missing_is_fill: bool,
    /// What keeps writers in other processes apart.
    pub locking: Locking,
}

impl ArrayPlan {
    /// The chain of chunk `coords`.
    fn chain_at(&self, coords: &[u64]) -> Result<Arc<Chain>> {
        match &self.shaped {
            None => Ok(self.chain.clone()),
            Some(shaped) => shaped.get(&self.grid.chunk_shape(coords)),
        }
    }

    /// Compiles what the chunks of a split need beforehand: the caller has the interpreter, workers must wait for it.
    pub fn prepare(&self, split: &Split) -> Result<()> {
        let Some(shaped) = &self.shaped else {
            return Ok(());
        };
        let shapes = self.grid.touched_shapes(split, MAX_PREPARED);
        shapes.iter().try_for_each(|shape| shaped.get(shape).map(drop))
    }

    /// About how many bytes must be decoded for a piece, up to a little over what is run in the calling thread.
    pub fn decoded_nbytes(&self, split: &Split, piece: &Piece) -> u64 {
        if self.shaped.is_none() {
            let spec = self.chain.folded_spec();
            if reads_parts(&self.chain) {
                return wanted_nbytes(&self.chain, piece).min(split.len().saturating_mul(spec.nbytes()));
            }
            if self.chain.open_sharding().is_none() {
                return split.len().saturating_mul(spec.nbytes());
            }
        }
        self.sum_chunks(split, chunk_decoded_nbytes)
    }

    /// About how many bytes the chunks of a split have, up to a little over what is run in the calling thread.
    pub fn chunk_nbytes(&self, split: &Split) -> u64 {
        match &self.shaped {
            None => split.len().saturating_mul(self.chain.spec().nbytes()),
            Some(_) => self.sum_chunks(split, |chain, _| chain.spec().nbytes()),
        }
    }

    /// Only the first few chunks are looked at: with more there is enough work to share out anyway.
    fn sum_chunks(&self, split: &Split, nbytes: impl Fn(&Chain, &Piece) -> u64) -> u64 {
        let (mut coords, mut part) = (Vec::new(), Piece::default());
        let mut sum = 0u64;
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut part);
            // What does not compile is for the job to tell.
            sum = match self.chain_at(&coords) {
                Ok(chain) => sum.saturating_add(nbytes(&chain, &part)),
                Err(_) => u64::MAX,
            };
            if sum > WORK_NBYTES {
                break;
            }
        }
        sum
    }
}

/// Whether little more is decoded of a chunk than what is wanted.
fn reads_parts(chain: &Chain) -> bool {
    let inner = chain.open_sharding().map(Sharding::inner);
    let inside = inner.is_some_and(|inner| inner.open_plain().is_some() || inner.open_sharding().is_some());
    chain.open_plain().is_some() || inside
}

/// About what reading the items of a piece costs. Listed ones may each be a read of its own, or all that lies between
/// them be read along.
fn wanted_nbytes(chain: &Chain, piece: &Piece) -> u64 {
    let item_nbytes = chain.folded_spec().layout.item_nbytes as u64;
    let least = if piece.is_listed() { LISTED_NBYTES } else { 0 };
    piece.items().saturating_mul(item_nbytes.max(least))
}

/// About how many bytes must be decoded for a piece of a chunk.
fn chunk_decoded_nbytes(chain: &Chain, part: &Piece) -> u64 {
    let spec = chain.folded_spec();
    if reads_parts(chain) {
        return wanted_nbytes(chain, part).min(spec.nbytes());
    }
    let Some(sharding) = chain.open_sharding() else {
        return spec.nbytes();
    };
    let folded = chain.fold_piece(part.clone());
    let inner_chunks = Split::new(&folded, sharding.inner_shape()).len();
    inner_chunks.saturating_mul(sharding.inner().spec().nbytes())
}

/// Compiles a chain for chunks of a shape.
pub type CompileFor = Box<dyn Fn(&[u64]) -> Result<Arc<Chain>> + Send + Sync>;

/// Chains for the shapes that a grid's chunks have, each compiled when it is first asked for.
pub struct ShapedChains {
    compile: CompileFor,
    known: RwLock<HashMap<Vec<u64>, Arc<Chain>>>,
}

/// Chains that an array keeps.
const MAX_KEPT: usize = 4096;
/// Chains that are compiled before a call.
const MAX_PREPARED: usize = 1024;

impl ShapedChains {
    pub fn new(compile: CompileFor) -> Self {
        ShapedChains {
            compile,
            known: RwLock::default(),
        }
    }

    pub fn get(&self, shape: &[u64]) -> Result<Arc<Chain>> {
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(shape)
            .cloned();
        if let Some(chain) = known {
            return Ok(chain);
        }
        // Without the lock: who compiles may wait for the interpreter, and who has that for the lock.
        let chain = (self.compile)(shape)?;
        if chain.spec().shape != shape {
            return Err(Error::internal("a chain was compiled for chunks of another shape"));
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KEPT {
            // Rare, and cheaper than to keep an order of use.
            known.clear();
        }
        known.insert(shape.to_vec(), chain.clone());
        Ok(chain)
    }
}

/// The read jobs of a piece.
pub struct ReadPlan {
    array: Arc<ArrayPlan>,
    split: Split,
    context: ReadContext,
}

impl ReadPlan {
    /// `any_missing`, where given, is set when a chunk was not stored.
    pub fn new(array: Arc<ArrayPlan>, piece: &Piece, buffer: Buffer, access: Access) -> Self {
        let split = array.grid.split(piece);
        let missing_is_fill = array.missing_is_fill;
        let missing = move |_| (!missing_is_fill).then(missing_chunk);
        let context = ReadContext {
            buffer,
            access,
            missing: Arc::new(missing),
        };
        ReadPlan { array, split, context }
    }

    pub fn split(&self) -> &Split {
        &self.split
    }
}

fn missing_chunk() -> Error {
    Error::new(
        Kind::MissingChunk,
        "the chunk is not stored, and the array is read with read_missing_chunks=False",
    )
}

impl Jobs for ReadPlan {
    fn len(&self) -> u64 {
        self.split.len()
    }

    fn make(&self, ordinal: u64) -> Result<ChunkJob> {
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        self.split.get(ordinal, &mut coords, &mut piece);
        let job = ReadChunk::new(self.context.clone(), self.array.chain_at(&coords)?, piece, ordinal);
        Ok(ChunkJob {
            job: Box::new(job),
            key: self.array.keys.key(&coords),
            coords,
            codec: self.array.chain.outermost().clone(),
        })
    }

    fn lock_store(&self) -> Option<&str> {
        None
    }
}

/// The write jobs of a piece, or of several: each chunk is read and put once for all that touch it.
pub struct WritePlan {
    array: Arc<ArrayPlan>,
    split: LayerSplit,
    context: WriteContext,
    store: String,
}

impl WritePlan {
    /// `split` is over the array's grid; `store` names the store for the lock table.
    pub fn new(array: Arc<ArrayPlan>, split: LayerSplit, keeps_ranges: bool, store: &str) -> Self {
        let context = WriteContext {
            encoding: array.encoding,
            keeps_ranges,
            conditional: matches!(array.locking, Locking::Conditional { .. }),
        };
        WritePlan {
            array,
            split,
            context,
            store: store.to_owned(),
        }
    }

    pub fn split(&self) -> &LayerSplit {
        &self.split
    }

    /// About how many bytes the chunks have, up to a little over what is run in the calling thread.
    pub fn chunk_nbytes(&self) -> u64 {
        if self.array.shaped.is_none() {
            return self.split.len().saturating_mul(self.array.chain.spec().nbytes());
        }
        let nbytes = |split| self.array.chunk_nbytes(split);
        self.split.splits().map(nbytes).fold(0, u64::saturating_add)
    }

    /// The folders that the chunks lie in: made before the chunks, which is faster than between them.
    pub fn folders(&self) -> BTreeSet<String> {
        self.split.splits().flat_map(|split| self.folders_of(split)).collect()
    }

    fn folders_of(&self, split: &Split) -> Vec<String> {
        if !self.array.keys.has_folders() || self.array.grid.shape().is_empty() {
            return Vec::new();
        }
        let last = self.array.grid.shape().len() - 1;
        let mut positions: Vec<Vec<u64>> = vec![Vec::new()];
        for axis in 0..last {
            // Points: their folders are made when they are missed.
            let Some(coords) = split.axis_coords(axis) else {
                return Vec::new();
            };
            let extend = |position: &Vec<u64>| coords.iter().map(|&c| [position.as_slice(), &[c]].concat()).collect();
            positions = positions.iter().flat_map::<Vec<Vec<u64>>, _>(extend).collect();
        }
        let folder = |position: &Vec<u64>| {
            let mut key = self.array.keys.key(&[position.as_slice(), &[0]].concat());
            key.truncate(key.rfind('/').unwrap_or(0));
            key
        };
        positions.iter().map(folder).collect()
    }
}

impl Jobs for WritePlan {
    fn len(&self) -> u64 {
        self.split.len()
    }

    fn make(&self, ordinal: u64) -> Result<ChunkJob> {
        let (mut coords, mut layers) = (Vec::new(), Vec::new());
        self.split.get(ordinal, &mut coords, &mut layers);
        let array = &self.array;
        let extent = match array.locking {
            Locking::None => array.grid.extent(&coords),
            // Others may know a larger array: what they wrote behind this one's edge stays.
            Locking::Keys(_) | Locking::Conditional { .. } => array.grid.chunk_shape(&coords),
        };
        let job = WriteChunk::new(self.context, array.chain_at(&coords)?, layers, &extent);
        Ok(ChunkJob {
            job: Box::new(job),
            key: array.keys.key(&coords),
            coords,
            codec: array.chain.outermost().clone(),
        })
    }

    fn lock_store(&self) -> Option<&str> {
        Some(&self.store)
    }

    fn locking(&self) -> &Locking {
        &self.array.locking
    }
}

/// The one job that stores a chunk which is encoded already, or deletes it: in its turn among the key's writers.
pub struct PutPlan {
    array: Arc<ArrayPlan>,
    coords: Vec<u64>,
    data: Mutex<Option<Bytes<'static>>>,
    store: String,
}

impl PutPlan {
    pub fn new(array: Arc<ArrayPlan>, coords: Vec<u64>, data: Option<Bytes<'static>>, store: &str) -> Self {
        PutPlan {
            array,
            coords,
            data: Mutex::new(data),
            store: store.to_owned(),
        }
    }
}

impl Jobs for PutPlan {
    fn len(&self) -> u64 {
        1
    }

    fn make(&self, _: u64) -> Result<ChunkJob> {
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(ChunkJob {
            job: Box::new(PutValue(data)),
            key: self.array.keys.key(&self.coords),
            coords: self.coords.clone(),
            codec: self.array.chain.outermost().clone(),
        })
    }

    fn lock_store(&self) -> Option<&str> {
        Some(&self.store)
    }

    fn locking(&self) -> &Locking {
        &self.array.locking
    }
}

/// One chunk of a batch whose chunks are given one by one.
pub struct BatchItem {
    pub chain: Arc<Chain>,
    pub key: String,
    pub piece: Piece,
    /// The part of the chunk that must be covered for it to be complete.
    pub extent: Vec<u64>,
}

/// What a batch does with its chunks.
pub enum BatchWay {
    Read(ReadContext),
    Write {
        context: WriteContext,
        buffer: Buffer,
        store: String,
    },
}

/// The jobs of a batch.
pub struct BatchPlan {
    pub items: Vec<BatchItem>,
    pub way: BatchWay,
}

impl BatchPlan {
    /// A context that notes which chunks are missing.
    pub fn noting(buffer: Buffer, access: Access, missing: Arc<[AtomicBool]>) -> ReadContext {
        let note = move |ordinal: u64| {
            missing[ordinal as usize].store(true, Ordering::Relaxed);
            None
        };
        ReadContext {
            buffer,
            access,
            missing: Arc::new(note),
        }
    }
}

impl Jobs for BatchPlan {
    fn len(&self) -> u64 {
        self.items.len() as u64
    }

    fn make(&self, ordinal: u64) -> Result<ChunkJob> {
        let BatchItem {
            chain,
            key,
            piece,
            extent,
        } = &self.items[ordinal as usize];
        let codec = chain.outermost().clone();
        let (chain, piece) = (chain.clone(), piece.clone());
        let job: Box<dyn super::job::Job> = match &self.way {
            BatchWay::Read(context) => Box::new(ReadChunk::new(context.clone(), chain, piece, ordinal)),
            &BatchWay::Write { context, buffer, .. } => {
                Box::new(WriteChunk::new(context, chain, vec![Layer { piece, buffer }], extent))
            }
        };
        Ok(ChunkJob {
            job,
            key: key.clone(),
            coords: Vec::new(),
            codec,
        })
    }

    fn lock_store(&self) -> Option<&str> {
        match &self.way {
            BatchWay::Read(_) => None,
            BatchWay::Write { store, .. } => Some(store),
        }
    }
}
