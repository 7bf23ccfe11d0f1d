//! Jobs for chunks that are coded stage by stage, because one of the stages must be awaited.

use std::sync::Arc;

use super::job::{Coding, Input, Job, Step, Way, unexpected};
use super::write::Slots;
use crate::chain::{Chain, Encoding, Gathered};
use crate::codec::Stage;
use crate::codec::sharding_indexed::{InnerChunk, Sharding, assemble};
use crate::copy::Buffer;
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::layers::Layer;
use crate::scratch::Bytes;
use crate::select::{Piece, Split};
use crate::store::{Part, concatenate};

/// Where the items of a decoded chunk go: `piece` is in the axes of the first stage that is decoded last.
pub struct DecodeUnit {
    chain: Arc<Chain>,
    piece: Piece,
    buffer: Buffer,
    data: Option<Bytes<'static>>,
    /// What items of variable length hold, between one stage and the next.
    heap: Heap,
    /// The stage to decode next is `position - 1`.
    position: usize,
}

impl DecodeUnit {
    /// Decodes `data` by all stages of `chain` and scatters `piece`, which is in the folded chunk's axes.
    pub fn new(chain: Arc<Chain>, data: Bytes<'static>, piece: Piece, buffer: Buffer) -> Self {
        let position = chain.stage_count();
        DecodeUnit {
            chain,
            piece,
            buffer,
            data: Some(data),
            heap: Heap::default(),
            position,
        }
    }

    fn fill(&self) {
        // SAFETY: the buffer's maker vouches for the piece.
        unsafe { self.chain.folded_spec().fill(self.buffer, &self.piece) }
    }

    /// The inner chunks of a shard as jobs of their own, where its codecs are those that must be awaited.
    fn split_shard(&self, sharding: &Sharding, data: &Bytes<'static>) -> Result<Vec<Box<dyn Job>>> {
        let index = sharding.index_of(data)?;
        let split = Split::new(&self.piece, sharding.inner_shape());
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        for wanted in sharding.wanted(&index, &split, self.buffer)? {
            split.get(wanted.ordinal, &mut coords, &mut piece);
            let (from, to) = (wanted.entry.offset as usize, wanted.entry.end() as usize);
            let chunk = Bytes::Borrowed(&data[from..to]).into_owned()?;
            let inner = sharding.inner().clone();
            let piece = inner.fold_piece(piece.clone());
            jobs.push(Box::new(DecodeUnit::new(inner, chunk, piece, self.buffer)));
        }
        Ok(jobs)
    }
}

impl Job for DecodeUnit {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match input {
            Input::Start => {}
            Input::Coded(Some(data)) if self.position <= self.chain.serializer_position() => {
                let spec = self.chain.spec_before(self.position);
                self.data = Some(spec.from_wire(data, spec.items(), &self.heap)?);
            }
            Input::Coded(Some(data)) => self.data = Some(data),
            Input::Coded(None) => {
                self.fill();
                return Ok(Step::Done);
            }
            Input::Joined => return Ok(Step::Done),
            _ => return Err(unexpected()),
        }
        let mut data = self.data.take().ok_or_else(unexpected)?;
        let folded = self.chain.folded_stages();
        while self.position > folded {
            self.position -= 1;
            let stage = self.chain.stage(self.position);
            if stage.codec().suspends() {
                let spec = self.chain.spec_before(self.position).clone();
                if let Stage::ArrayArray(codec) = &stage {
                    data = codec.encoded_spec().to_wire(data)?;
                }
                return Ok(Step::Code(Coding {
                    way: Way::Decode,
                    stage,
                    data,
                    spec,
                }));
            }
            let at_shard = self.position == self.chain.serializer_position();
            if let Some(sharding) = self.chain.sharding().filter(|s| at_shard && s.inner().suspends()) {
                if self.position > folded {
                    return Err(Error::unsupported(
                        "a codec that must be awaited inside a shard behind array-to-array codecs other than transpose",
                    ));
                }
                return Ok(Step::Split(self.split_shard(sharding, &data)?));
            }
            data = self.chain.decode_stage(self.position, data, &self.heap)?;
        }
        self.chain.deliver(&data, &self.piece, self.buffer)?;
        Ok(Step::Done)
    }
}

/// Where an encoded unit goes.
pub enum Destination {
    /// It is the key's value.
    Key,
    /// It is an inner chunk.
    Slot { slots: Slots, number: u64 },
}

/// Encodes the items of a folded chunk stage by stage.
pub struct EncodeUnit {
    chain: Arc<Chain>,
    encoding: Encoding,
    destination: Destination,
    data: Option<Bytes<'static>>,
    /// What items of variable length hold, as far as it is not the caller's. Shared with the jobs of inner chunks.
    heap: Arc<Heap>,
    /// The stage to encode next.
    position: usize,
    inner: Option<Slots>,
}

impl EncodeUnit {
    pub fn new(
        chain: Arc<Chain>,
        items: Bytes<'static>,
        heap: Arc<Heap>,
        encoding: Encoding,
        destination: Destination,
    ) -> Self {
        let position = chain.folded_stages();
        EncodeUnit {
            chain,
            encoding,
            destination,
            data: Some(items),
            heap,
            position,
            inner: None,
        }
    }

    fn deliver(&mut self, data: Option<Vec<Part>>) -> Result<Step> {
        match &self.destination {
            Destination::Key => Ok(match data {
                Some(parts) => Step::Put(parts),
                None => Step::Delete,
            }),
            Destination::Slot { slots, number } => {
                let chunk = match data {
                    None => InnerChunk::Empty,
                    Some(parts) => {
                        let mut block = Vec::new();
                        for part in &parts {
                            if let Part::New(bytes) = part {
                                block.extend_from_slice(bytes);
                            }
                        }
                        let to = block.len();
                        InnerChunk::New {
                            block: Arc::new(block),
                            from: 0,
                            to,
                        }
                    }
                };
                slots.set(vec![(*number, chunk)]);
                Ok(Step::Done)
            }
        }
    }

    fn split_shard(&mut self, sharding: &Sharding, items: &Bytes<'static>) -> Result<Vec<Box<dyn Job>>> {
        let shape = &self.chain.spec_before(self.position).shape;
        let strides = self.chain.spec_before(self.position).strides();
        let split = Split::new(&Piece::whole(shape, &strides), sharding.inner_shape());
        // SAFETY: gathering only reads the shard's items, before this function returns.
        let buffer = unsafe { Buffer::new(items.as_ptr().cast_mut()) };
        let slots = Slots::new(sharding.inner_count());
        self.inner = Some(slots.clone());
        let (mut coords, mut piece) = (Vec::new(), Piece::default());
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        for ordinal in 0..split.len() {
            split.get(ordinal, &mut coords, &mut piece);
            let inner = sharding.inner().clone();
            let layer = Layer {
                piece: inner.fold_piece(piece.clone()),
                buffer,
            };
            let Gathered { items, .. } = inner.gather(None, &[layer])?;
            let destination = Destination::Slot {
                slots: slots.clone(),
                number: sharding.inner_number(&coords),
            };
            jobs.push(Box::new(EncodeUnit::new(
                inner,
                items.into(),
                self.heap.clone(),
                self.encoding,
                destination,
            )));
        }
        Ok(jobs)
    }
}

impl Job for EncodeUnit {
    fn advance(&mut self, input: Input) -> Result<Step> {
        match input {
            Input::Start => {
                let spec = self.chain.folded_spec();
                let empty = |items: &Bytes<'_>| !self.encoding.keep_empty && spec.is_all_fill(items);
                if self.data.as_ref().is_some_and(empty) {
                    return self.deliver(None);
                }
            }
            Input::Coded(Some(data)) => {
                self.position += 1;
                self.data = Some(if self.position <= self.chain.serializer_position() {
                    let spec = self.chain.spec_before(self.position);
                    spec.from_wire(data, spec.items(), &self.heap)?
                } else {
                    data
                });
            }
            Input::Coded(None) => return self.deliver(None),
            Input::Joined => {
                let slots = self.inner.take().ok_or_else(unexpected)?;
                let chain = self.chain.clone();
                let sharding = chain.sharding().ok_or_else(unexpected)?;
                let Some(parts) = assemble(sharding, &slots.take())? else {
                    return self.deliver(None);
                };
                if self.position + 1 == chain.stage_count() {
                    return self.deliver(Some(parts));
                }
                self.data = Some(concatenate(parts)?);
                self.position += 1;
            }
            _ => return Err(unexpected()),
        }
        let mut data = self.data.take().ok_or_else(unexpected)?;
        while self.position < self.chain.stage_count() {
            let stage = self.chain.stage(self.position);
            if stage.codec().suspends() {
                let spec = self.chain.spec_before(self.position).clone();
                if !matches!(stage, Stage::BytesBytes(_)) {
                    data = spec.to_wire(data)?;
                }
                return Ok(Step::Code(Coding {
                    way: Way::Encode,
                    stage,
                    data,
                    spec,
                }));
            }
            let chain = self.chain.clone();
            let at_shard = self.position == chain.serializer_position();
            if let Some(sharding) = chain.sharding().filter(|s| at_shard && s.inner().suspends()) {
                return Ok(Step::Split(self.split_shard(sharding, &data)?));
            }
            data = match chain.encode_stage(self.position, data, &self.heap) {
                Err(error) if error.kind() == crate::error::Kind::Absent => return self.deliver(None),
                other => other?,
            };
            self.position += 1;
        }
        self.deliver(Some(vec![Part::New(data)]))
    }
}
