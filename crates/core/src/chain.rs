//! A chain of codecs, compiled once: encode, decode, decode part.
//!
//! Leading transposes do no work of their own: they permute the axes of the piece, and the copy kernel does the rest.
//! What they leave is the *folded* spec: the chunk as the first working codec sees it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::codec::bytes::canonical;
use crate::codec::sharding_indexed::Sharding;
use crate::codec::{self, ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Expect, Partial, Resolve, Stage};
use crate::copy::{self, Buffer, Direction};
use crate::dtype;
use crate::error::{Error, Kind, Result};
use crate::heap::Heap;
use crate::layers::Layer;
use crate::limits::{MAX_CODEC_DEPTH, in_memory, max_chunk_nbytes};
use crate::scratch::{self, Bytes};
use crate::select::{Axis, Piece};
use crate::spec::{ChunkSpec, c_strides};
use crate::variable;

/// Chunks from which on it pays to stop decoding behind the last item that is wanted.
const EARLY_STOP_NBYTES: u64 = 128 << 10;

pub struct Chain {
    spec: ChunkSpec,
    folded: ChunkSpec,
    /// The leading transposes as one: axis `i` of the folded chunk is axis `order[i]` of the chunk.
    order: Option<Vec<usize>>,
    /// Array-to-array codecs; the first `transposes` of them are in `order`.
    arrays: Vec<Arc<dyn ArrayArrayCodec>>,
    transposes: usize,
    serializer: Arc<dyn ArrayBytesCodec>,
    /// Bytes-to-bytes codecs, each with what its `decode` may give.
    compressors: Vec<(Arc<dyn BytesBytesCodec>, Expect)>,
    encoded_nbytes: Option<u64>,
    max_encoded_nbytes: u64,
    suspends: bool,
    outermost: Arc<str>,
}

/// The items of a chunk that is to be encoded, and what keeps those of its old ones that are of variable length. What
/// the caller's new ones describe is the caller's.
pub struct Gathered {
    pub items: scratch::Scratch,
    pub heap: Heap,
}

/// How a chunk is written.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// Store chunks (and inner chunks) that hold nothing but the fill value.
    pub keep_empty: bool,
}

impl Chain {
    /// Compiles the documents of `codecs` for chunks of `spec`; `depth` counts the chains around this one.
    pub fn compile(codecs: &[Value], spec: ChunkSpec, depth: usize, resolve: Resolve<'_>) -> Result<Self> {
        if depth > MAX_CODEC_DEPTH {
            return Err(Error::limit(format!("codecs nested more than {MAX_CODEC_DEPTH} deep")));
        }
        in_memory(spec.nbytes())?;
        let mut arrays: Vec<Arc<dyn ArrayArrayCodec>> = Vec::new();
        let mut serializer: Option<Arc<dyn ArrayBytesCodec>> = None;
        let mut compressors = Vec::new();
        let mut now = spec.clone();
        let (mut fixed, mut bound) = (None, 0);
        for (position, json) in codecs.iter().enumerate() {
            let stage =
                codec::compile(json, &now, depth, resolve).map_err(|error| error.under(&format!("/{position}")))?;
            let misplaced = |what: &str| {
                let error = Error::metadata(what.to_owned()).in_codec(stage.codec().name(), position);
                Err(error.under(&format!("/{position}")))
            };
            match (&stage, &serializer) {
                (Stage::ArrayArray(codec), None) => {
                    now = codec.encoded_spec().clone();
                    arrays.push(codec.clone());
                }
                (Stage::ArrayBytes(codec), None) => {
                    fixed = codec.encoded_nbytes();
                    bound = codec.max_encoded_nbytes();
                    serializer = Some(codec.clone());
                }
                (Stage::BytesBytes(codec), Some(_)) => {
                    let expect = match fixed {
                        Some(nbytes) => Expect::Exactly(in_memory(nbytes)?),
                        None => Expect::AtMost(usize::try_from(bound).unwrap_or(usize::MAX)),
                    };
                    compressors.push((codec.clone(), expect));
                    fixed = fixed.and_then(|nbytes| codec.encoded_nbytes(nbytes));
                    bound = codec.max_encoded_nbytes(bound);
                }
                (Stage::ArrayArray(_), Some(_)) => {
                    return misplaced("an array-to-array codec cannot stand behind the array-to-bytes codec");
                }
                (Stage::ArrayBytes(_), Some(_)) => {
                    return misplaced("a chain has one array-to-bytes codec, and this is the second");
                }
                (Stage::BytesBytes(_), None) => {
                    return misplaced("a bytes-to-bytes codec cannot stand before the array-to-bytes codec");
                }
            }
        }
        let Some(serializer) = serializer else {
            return Err(Error::metadata(
                "a chain needs an array-to-bytes codec (such as \"bytes\")",
            ));
        };
        let transposes = arrays.iter().take_while(|codec| codec.permutation().is_some()).count();
        let order = arrays[..transposes]
            .iter()
            .filter_map(|codec| codec.permutation())
            .fold(None, compose);
        let folded = match transposes {
            0 => spec.clone(),
            n => arrays[n - 1].encoded_spec().clone(),
        };
        let suspends = arrays.iter().any(|codec| codec.suspends())
            || serializer.suspends()
            || serializer.partial() != Partial::default()
            || serializer.sharding().is_some_and(|sharding| sharding.inner().suspends)
            || compressors.iter().any(|(codec, _)| codec.suspends());
        let outermost = compressors
            .last()
            .map_or(serializer.name(), |(codec, _)| codec.name())
            .into();
        Ok(Chain {
            outermost,
            spec,
            folded,
            order,
            arrays,
            transposes,
            serializer,
            compressors,
            encoded_nbytes: fixed,
            max_encoded_nbytes: bound,
            suspends,
        })
    }

    pub fn spec(&self) -> &ChunkSpec {
        &self.spec
    }

    /// The chunk as the first codec that is not a leading transpose sees it.
    pub fn folded_spec(&self) -> &ChunkSpec {
        &self.folded
    }

    /// The encoded size where it is the same for every chunk.
    pub fn encoded_nbytes(&self) -> Option<u64> {
        self.encoded_nbytes
    }

    pub fn max_encoded_nbytes(&self) -> u64 {
        self.max_encoded_nbytes
    }

    /// The size that `nbytes` items encode to, which need not be a whole chunk.
    pub fn encoded_size(&self, nbytes: u64) -> Option<u64> {
        if nbytes == self.spec.nbytes() {
            return self.encoded_nbytes;
        }
        self.serializer.plain()?;
        self.compressors
            .iter()
            .try_fold(nbytes, |n, (codec, _)| codec.encoded_nbytes(n))
    }

    /// The name of the codec that meets the stored bytes first.
    pub fn outermost(&self) -> &Arc<str> {
        &self.outermost
    }

    /// Whether a stage must be awaited, here or inside a shard.
    pub fn suspends(&self) -> bool {
        self.suspends
    }

    /// Whether all that lies between the piece and the serializer is a permutation of axes.
    fn folds(&self) -> bool {
        self.transposes == self.arrays.len()
    }

    /// The shard, where its inner chunks can be reached one by one: nothing wraps the shard's bytes, and only
    /// transposes stand before it.
    pub fn open_sharding(&self) -> Option<&Sharding> {
        if self.folds() && self.compressors.is_empty() {
            self.serializer.sharding()
        } else {
            None
        }
    }

    /// Whether the stored bytes are the folded chunk's items, so that any of them can be read alone;
    /// `Some(swap)` says whether their bytes are reversed.
    pub fn open_plain(&self) -> Option<bool> {
        let uniform = self.spec.layout.swap_runs.is_empty() || self.spec.layout.uniform_component().is_some();
        let swap = self.serializer.plain()?;
        (self.folds() && self.compressors.is_empty() && (uniform || !swap)).then_some(swap)
    }

    /// What the serializer does by itself with parts of a value: only where it is the whole chain.
    pub fn open_partial(&self) -> Partial {
        if self.stage_count() == 1 {
            self.serializer.partial()
        } else {
            Partial::default()
        }
    }

    /// Every stage in order, with its name.
    pub fn stages(&self) -> impl Iterator<Item = Stage> + '_ {
        let arrays = self.arrays.iter().cloned().map(Stage::ArrayArray);
        let compressors = self
            .compressors
            .iter()
            .map(|(codec, _)| Stage::BytesBytes(codec.clone()));
        arrays
            .chain(std::iter::once(Stage::ArrayBytes(self.serializer.clone())))
            .chain(compressors)
    }

    pub fn stage_count(&self) -> usize {
        self.arrays.len() + 1 + self.compressors.len()
    }

    /// The piece in the folded chunk's axes.
    pub fn fold_piece(&self, piece: Piece) -> Piece {
        match &self.order {
            None => piece,
            Some(order) => piece.permuted(order),
        }
    }

    /// The layers in the folded chunk's axes.
    pub fn fold_layers<'a>(&self, layers: &'a [Layer]) -> Cow<'a, [Layer]> {
        let Some(order) = &self.order else {
            return Cow::Borrowed(layers);
        };
        let fold = |layer: &Layer| Layer {
            piece: layer.piece.permuted(order),
            buffer: layer.buffer,
        };
        layers.iter().map(fold).collect()
    }

    /// The extents in the folded chunk's axes.
    pub fn fold_shape(&self, shape: &[u64]) -> Vec<u64> {
        match &self.order {
            None => shape.to_vec(),
            Some(order) => order.iter().map(|&axis| shape[axis]).collect(),
        }
    }

    /// The items of an encoded chunk in C order, packed where they are of variable length.
    pub fn decode(&self, data: Bytes<'_>) -> Result<Bytes<'static>> {
        let nbytes = in_memory(self.spec.nbytes())?;
        let (mut items, heap) = (scratch::take(nbytes)?, Heap::default());
        // SAFETY: the buffer holds the whole chunk in C order, and both are used here only.
        let buffer = unsafe { Buffer::new(items.as_mut_ptr()).with_heap(&heap) };
        self.decode_piece(data, Piece::whole(&self.spec.shape, &self.spec.strides()), buffer)?;
        self.spec.to_wire(items.into())
    }

    /// Decodes an encoded chunk and moves the items of `piece` into the buffer.
    pub fn decode_piece(&self, data: Bytes<'_>, piece: Piece, buffer: Buffer) -> Result<()> {
        self.decode_folded(data, &self.fold_piece(piece), buffer)
    }

    /// `decode_piece` for a piece that is in the folded chunk's axes already.
    pub fn decode_folded(&self, data: Bytes<'_>, piece: &Piece, buffer: Buffer) -> Result<()> {
        if let Some(prefix) = self.decode_needed(&data, piece)? {
            let prefix = canonical(prefix, &self.folded.layout)?;
            self.scatter(&prefix, piece, buffer, self.serializer.plain().unwrap_or(false));
            return Ok(());
        }
        let data = self.decompress(data)?;
        let heap = Heap::default();
        if !self.folds() {
            let mut items = self.in_stage(self.arrays.len(), self.serializer.decode_with(data, &heap))?;
            for position in (self.transposes..self.arrays.len()).rev() {
                items = self.in_stage(position, self.arrays[position].decode_with(items, &heap))?;
            }
            return self.deliver(&items, piece, buffer);
        }
        if let Some(sharding) = self.serializer.sharding() {
            return self.in_stage(self.arrays.len(), sharding.decode_piece(&data, piece, buffer));
        }
        let swap = match self.serializer.plain() {
            Some(swap) if !swap || self.spec.layout.uniform_component().is_some() => swap,
            _ => {
                let items = self.in_stage(self.arrays.len(), self.serializer.decode_with(data, &heap))?;
                return self.deliver(&items, piece, buffer);
            }
        };
        self.in_stage(
            self.arrays.len(),
            Expect::Exactly(in_memory(self.folded.nbytes())?).check(data.len()),
        )?;
        self.scatter(&canonical(data, &self.folded.layout)?, piece, buffer, swap);
        Ok(())
    }

    /// Decodes a compressed chunk of plain items only as far as the last item of the piece, where that saves something.
    fn decode_needed(&self, data: &[u8], piece: &Piece) -> Result<Option<Bytes<'static>>> {
        let [(codec, expect)] = &self.compressors[..] else {
            return Ok(None);
        };
        let nbytes = self.folded.nbytes();
        if !self.folds() || !self.plain_for_kernel() || nbytes < EARLY_STOP_NBYTES {
            return Ok(None);
        }
        let last = |(axis, &stride): (&Axis, &isize)| axis.last().map(|last| last * stride as u64);
        let last: Option<u64> = piece.axes.iter().zip(&self.folded.strides()).map(last).sum();
        let Some(needed) = last.map(|last| last + self.folded.layout.item_nbytes as u64) else {
            return Ok(None);
        };
        // Decoding step by step is a little slower than in one go.
        if needed > nbytes / 8 * 7 {
            return Ok(None);
        }
        self.in_stage(
            self.arrays.len() + 1,
            codec.decode_prefix(data, in_memory(needed)?, *expect),
        )
    }

    /// Whether the decompressed bytes are items that the copy kernel can move.
    fn plain_for_kernel(&self) -> bool {
        match self.serializer.plain() {
            Some(swap) => !swap || self.spec.layout.uniform_component().is_some(),
            None => false,
        }
    }

    /// Scatters the decoded items of the folded chunk. What items of variable length hold is the buffer's from then on.
    ///
    /// A codec that is not ours may have given them: they must be the whole chunk before any pointer runs over them.
    pub fn deliver(&self, items: &[u8], piece: &Piece, buffer: Buffer) -> Result<()> {
        Expect::Exactly(in_memory(self.folded.nbytes())?).check(items.len())?;
        self.scatter(items, piece, buffer, false);
        match self.folded.layout.variable() {
            None => Ok(()),
            // SAFETY: the items that were just scattered are descriptors, and the buffer's maker vouches for the piece.
            Some(_) => unsafe { variable::adopt(buffer, piece) },
        }
    }

    fn scatter(&self, items: &[u8], piece: &Piece, buffer: Buffer, swap: bool) {
        let (strides, layout) = (self.folded.strides(), &self.folded.layout);
        // SAFETY: `items` is the whole folded chunk (checked by the callers), the piece lies in it, and the buffer's
        // maker vouches for the offsets that the piece names there. Scattering only reads the items.
        unsafe {
            copy::transfer(
                Direction::Scatter,
                items.as_ptr().cast_mut(),
                &strides,
                buffer.start(),
                piece,
                layout,
                swap,
            );
        }
    }

    fn decompress<'a>(&self, mut data: Bytes<'a>) -> Result<Bytes<'a>> {
        for (i, (codec, expect)) in self.compressors.iter().enumerate().rev() {
            let expect = within_limit(*expect);
            let decoded = codec
                .decode(data, expect)
                .and_then(|out| expect.check(out.len()).map(|()| out));
            data = self.in_stage(self.arrays.len() + 1 + i, decoded)?;
        }
        Ok(data)
    }

    /// Names the stage in an error.
    fn in_stage<T>(&self, position: usize, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let name = match position.checked_sub(self.arrays.len()) {
                None => self.arrays[position].name(),
                Some(0) => self.serializer.name(),
                Some(n) => self.compressors[n - 1].0.name(),
            };
            error.in_codec(name, position)
        })
    }

    /// Gathers the items of the layers over what the chunk held (`old`: its encoded bytes, or nothing) and encodes.
    /// None: the chunk is all fill value and need not be stored.
    pub fn encode_layers(
        &self,
        old: Option<Bytes<'_>>,
        layers: &[Layer],
        encoding: Encoding,
    ) -> Result<Option<Bytes<'static>>> {
        let Gathered { items, heap: _heap } = self.gather(old, &self.fold_layers(layers))?;
        self.encode_folded(items.into(), encoding)
    }

    /// The folded chunk with the items of the layers, which are in its axes, laid over its old ones. `old` need not be
    /// given where the layers leave nothing of it inside the array.
    pub fn gather(&self, old: Option<Bytes<'_>>, layers: &[Layer]) -> Result<Gathered> {
        let folded = &self.folded;
        let heap = Heap::default();
        let mut items = scratch::take(in_memory(folded.nbytes())?)?;
        let strides = folded.strides();
        let whole = Piece::whole(&folded.shape, &strides);
        // SAFETY: the scratch buffer holds the whole folded chunk in C order, and the heap is used here only.
        let target = unsafe { Buffer::new(items.as_mut_ptr()).with_heap(&heap) };
        match old {
            Some(data) => self.decode_folded(data, &whole, target)?,
            _ if layers.iter().any(|layer| layer.piece.covers(&folded.shape)) => {}
            // SAFETY: the whole chunk, in its own buffer.
            _ => unsafe { folded.fill(target, &whole) },
        }
        self.lay_over(&mut items, layers)?;
        Ok(Gathered { items, heap })
    }

    /// Lays the items of the layers, which are in the folded chunk's axes, over its own.
    pub fn lay_over(&self, items: &mut [u8], layers: &[Layer]) -> Result<()> {
        let (strides, layout) = (self.folded.strides(), &self.folded.layout);
        Expect::Exactly(in_memory(self.folded.nbytes())?).check(items.len())?;
        for Layer { piece, buffer } in layers {
            // SAFETY: `items` is the whole folded chunk and ours alone; the buffer's maker vouches for the piece.
            unsafe {
                copy::transfer(
                    Direction::Gather,
                    items.as_mut_ptr(),
                    &strides,
                    buffer.start(),
                    piece,
                    layout,
                    false,
                );
            }
        }
        Ok(())
    }

    /// Encodes the items of a folded chunk; None where it is all fill value and need not be stored.
    pub fn encode_folded(&self, items: Bytes<'_>, encoding: Encoding) -> Result<Option<Bytes<'static>>> {
        if !encoding.keep_empty && self.folded.is_all_fill(&items) {
            return Ok(None);
        }
        match self.encode_stages(items, encoding) {
            Err(error) if error.kind() == Kind::Absent => Ok(None),
            Err(error) => Err(error),
            Ok(None) => Ok(None),
            Ok(Some(data)) => data.into_owned().map(Some),
        }
    }

    fn encode_stages<'a>(&self, mut items: Bytes<'a>, encoding: Encoding) -> Result<Option<Bytes<'a>>> {
        let heap = Heap::default();
        for position in self.transposes..self.arrays.len() {
            items = self.in_stage(position, self.arrays[position].encode_with(items, &heap))?;
        }
        let data = match self.serializer.sharding() {
            Some(sharding) => match self.in_stage(self.arrays.len(), sharding.encode_items(&items, encoding))? {
                Some(data) => data,
                None => return Ok(None),
            },
            None => self.in_stage(self.arrays.len(), self.serializer.encode(items))?,
        };
        let compress = |data, (i, (codec, _)): (usize, &(Arc<dyn BytesBytesCodec>, Expect))| {
            self.in_stage(self.arrays.len() + 1 + i, codec.encode(data))
        };
        self.compressors.iter().enumerate().try_fold(data, compress).map(Some)
    }

    /// Encodes a whole chunk given as items in C order, packed where they are of variable length; None where it need
    /// not be stored.
    pub fn encode(&self, items: &[u8], encoding: Encoding) -> Result<Option<Bytes<'static>>> {
        let heap = Heap::default();
        let items = &*match self.spec.layout.variable() {
            Some(_) => self.spec.from_wire(Bytes::Borrowed(items), self.spec.items(), &heap)?,
            None => Bytes::Borrowed(items),
        };
        self.spec_check(items)?;
        if self.order.is_none() {
            return self.encode_folded(Bytes::Borrowed(items), encoding);
        }
        // SAFETY: the buffer is only read from (gather), and holds the whole chunk in C order.
        let buffer = unsafe { Buffer::new(items.as_ptr().cast_mut()) };
        let whole = Piece::whole(
            &self.spec.shape,
            &c_strides(&self.spec.shape, self.spec.layout.item_nbytes),
        );
        self.encode_layers(None, &[Layer { piece: whole, buffer }], encoding)
    }

    fn spec_check(&self, items: &[u8]) -> Result<()> {
        if items.len() as u64 == self.spec.nbytes() {
            return Ok(());
        }
        Err(Error::value(format!(
            "{} bytes are not a chunk of {}",
            items.len(),
            self.spec.nbytes()
        )))
    }

    /// One stage's decode, for chunks that are decoded stage by stage because one of them must be awaited.
    pub fn decode_stage<'a>(&self, position: usize, data: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        let decoded = match position.checked_sub(self.arrays.len()) {
            None => self.arrays[position].decode_with(data, heap),
            Some(0) => self.serializer.decode_with(data, heap),
            Some(n) => {
                let (codec, expect) = &self.compressors[n - 1];
                let expect = within_limit(*expect);
                codec
                    .decode(data, expect)
                    .and_then(|out| expect.check(out.len()).map(|()| out))
            }
        };
        self.in_stage(position, decoded)
    }

    /// One stage's encode.
    pub fn encode_stage<'a>(&self, position: usize, data: Bytes<'a>, heap: &Heap) -> Result<Bytes<'a>> {
        let encoded = match position.checked_sub(self.arrays.len()) {
            None => self.arrays[position].encode_with(data, heap),
            Some(0) => self.serializer.encode(data),
            Some(n) => self.compressors[n - 1].0.encode(data),
        };
        self.in_stage(position, encoded)
    }

    /// The stage at `position`.
    pub fn stage(&self, position: usize) -> Stage {
        match position.checked_sub(self.arrays.len()) {
            None => Stage::ArrayArray(self.arrays[position].clone()),
            Some(0) => Stage::ArrayBytes(self.serializer.clone()),
            Some(n) => Stage::BytesBytes(self.compressors[n - 1].0.clone()),
        }
    }

    /// The number of leading stages that are folded into the piece.
    pub fn folded_stages(&self) -> usize {
        self.transposes
    }

    /// The shard codec, wherever it stands.
    pub fn sharding(&self) -> Option<&Sharding> {
        self.serializer.sharding()
    }

    /// Where the array-to-bytes codec stands.
    pub fn serializer_position(&self) -> usize {
        self.arrays.len()
    }

    /// What the chunk is in front of stage `position`, which is not behind the array-to-bytes codec.
    pub fn spec_before(&self, position: usize) -> &ChunkSpec {
        match position.min(self.arrays.len()) {
            0 => &self.spec,
            n => self.arrays[n - 1].encoded_spec(),
        }
    }

    /// The documents with all that the chunk determines filled in.
    pub fn to_json(&self) -> Vec<Value> {
        self.stages().map(|stage| stage.codec().to_json()).collect()
    }

    /// Whether the layout's items can be swapped by the copy kernel.
    pub fn layout(&self) -> &dtype::Layout {
        &self.spec.layout
    }
}

/// What a decoder may give where its codec's bound is above the limit that is in force now.
fn within_limit(expect: Expect) -> Expect {
    match expect {
        Expect::Exactly(nbytes) => Expect::Exactly(nbytes),
        Expect::AtMost(nbytes) => {
            let limit = usize::try_from(max_chunk_nbytes()).unwrap_or(usize::MAX);
            Expect::AtMost(nbytes.min(limit))
        }
    }
}

/// Two permutations, one behind the other.
fn compose(first: Option<Vec<usize>>, second: &[usize]) -> Option<Vec<usize>> {
    match first {
        None => Some(second.to_vec()),
        Some(first) => Some(second.iter().map(|&axis| first[axis]).collect()),
    }
}
