//! `packbits`: the bits of the items one after another, without those that all items have in common.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/packbits>
//!
//! Names: `packbits`.
//!
//! ```json
//! {"name": "packbits", "configuration": {"padding_encoding": "first_byte", "first_bit": 0, "last_bit": 6}}
//! ```
//!
//! The bits from `first_bit` to `last_bit` of each component, counted from the least significant one, form a sequence
//! that fills bytes from their least significant bit. What is cut off reads as zeros, above `last_bit` of signed
//! integers as copies of that bit. `padding_encoding` says where a byte tells how many bits of the last byte are
//! padding ("first_byte", "last_byte", "none"); it is compared when reading. Padding bits themselves are not looked at.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ArrayBytesCodec, Codec, Document, Expect, Stage};
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PaddingEncoding {
    None,
    FirstByte,
    LastByte,
}

struct PackBits {
    padding_encoding: PaddingEncoding,
    /// As the document has them.
    first_bit: Option<u32>,
    last_bit: Option<u32>,
    field: Field,
    /// Components in the chunk.
    count: usize,
}

/// Which bits of a component are stored.
#[derive(Clone, Copy)]
struct Field {
    scalar: Scalar,
    first: u32,
    width: u32,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["padding_encoding", "first_bit", "last_bit"])?;
    let padding_encoding = parse_padding(document)?;
    let Some((scalar, components)) = spec.layout.kind.components() else {
        return Err(Error::metadata(
            "packbits takes numbers and booleans, not text, times or structures",
        ));
    };
    let top = scalar.bits() - 1;
    let first_bit = parse_bit(document, "first_bit", 0, top)?;
    let first = first_bit.unwrap_or(0);
    let last_bit = parse_bit(document, "last_bit", first, top)?;
    let width = last_bit.unwrap_or(top) - first + 1;
    let items = usize::try_from(spec.items()).map_err(|_| Error::memory(spec.nbytes()))?;
    Ok(Stage::ArrayBytes(Arc::new(PackBits {
        padding_encoding,
        first_bit,
        last_bit,
        field: Field { scalar, first, width },
        count: items * components,
    })))
}

fn parse_padding(document: &Document<'_>) -> Result<PaddingEncoding> {
    match document.get("padding_encoding").map(Value::as_str) {
        None | Some(Some("none")) => Ok(PaddingEncoding::None),
        Some(Some("first_byte")) => Ok(PaddingEncoding::FirstByte),
        Some(Some("last_byte")) => Ok(PaddingEncoding::LastByte),
        Some(_) => Err(document.invalid("padding_encoding", "\"none\", \"first_byte\" or \"last_byte\"")),
    }
}

/// A bit's number; null and absent are the same.
fn parse_bit(document: &Document<'_>, key: &str, least: u32, most: u32) -> Result<Option<u32>> {
    match document.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => {
            let bit = document.integer(key, i64::from(least), i64::from(most), None)?;
            Ok(Some(bit as u32))
        }
    }
}

impl PackBits {
    /// Bytes that the bits take, without the one that counts the padding.
    fn packed_nbytes(&self) -> usize {
        // In u128: a chunk's bytes fit in 63 bits, its bits need not.
        (self.count as u128 * u128::from(self.field.width)).div_ceil(8) as usize
    }

    fn padding(&self) -> u8 {
        ((8 - self.count as u128 * u128::from(self.field.width) % 8) % 8) as u8
    }

    fn nbytes(&self) -> usize {
        self.packed_nbytes() + usize::from(self.padding_encoding != PaddingEncoding::None)
    }

    /// The packed bits, when the byte that counts the padding is right.
    fn without_padding<'d>(&self, data: &'d [u8]) -> Result<&'d [u8]> {
        let (found, packed) = match (self.padding_encoding, data) {
            (PaddingEncoding::FirstByte, [found, packed @ ..]) => (*found, packed),
            (PaddingEncoding::LastByte, [packed @ .., found]) => (*found, packed),
            _ => return Ok(data),
        };
        if found == self.padding() {
            Ok(packed)
        } else {
            Err(Error::corrupt(format!(
                "{found} bits of padding are stored where the chunk has {}",
                self.padding()
            )))
        }
    }
}

impl Codec for PackBits {
    fn name(&self) -> &str {
        "packbits"
    }

    fn to_json(&self) -> Value {
        let padding_encoding = match self.padding_encoding {
            PaddingEncoding::None => "none",
            PaddingEncoding::FirstByte => "first_byte",
            PaddingEncoding::LastByte => "last_byte",
        };
        let mut configuration = json!({"padding_encoding": padding_encoding});
        for (key, bit) in [("first_bit", self.first_bit), ("last_bit", self.last_bit)] {
            if let Some(bit) = bit {
                configuration[key] = bit.into();
            }
        }
        json!({"name": "packbits", "configuration": configuration})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayBytesCodec for PackBits {
    fn encoded_nbytes(&self) -> Option<u64> {
        Some(self.nbytes() as u64)
    }

    fn max_encoded_nbytes(&self) -> u64 {
        self.nbytes() as u64
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.count * self.field.scalar.nbytes()).check(items.len())?;
        let mut data = scratch::take(self.nbytes())?;
        let start = usize::from(self.padding_encoding == PaddingEncoding::FirstByte);
        self.field.pack(&items, &mut data[start..start + self.packed_nbytes()]);
        match (self.padding_encoding, &mut data[..]) {
            (PaddingEncoding::FirstByte, [padding, ..]) | (PaddingEncoding::LastByte, [.., padding]) => {
                *padding = self.padding();
            }
            _ => {}
        }
        Ok(data.into())
    }

    fn decode<'a>(&self, data: Bytes<'a>) -> Result<Bytes<'a>> {
        Expect::Exactly(self.nbytes()).check(data.len())?;
        let packed = self.without_padding(&data)?;
        let mut items = scratch::take(self.count * self.field.scalar.nbytes())?;
        self.field.unpack(packed, &mut items);
        Ok(items.into())
    }
}

impl Field {
    fn pack(self, items: &[u8], packed: &mut [u8]) {
        match self.scalar.nbytes() {
            _ if self.is_whole() => packed.copy_from_slice(items),
            _ if self.scalar == Scalar::Bool => pack_bools::<LSB_FIRST>(items, packed),
            1 => self.pack_components::<1>(items, packed),
            2 => self.pack_components::<2>(items, packed),
            4 => self.pack_components::<4>(items, packed),
            _ => self.pack_components::<8>(items, packed),
        }
    }

    fn unpack(self, packed: &[u8], items: &mut [u8]) {
        match self.scalar.nbytes() {
            _ if self.is_whole() => items.copy_from_slice(packed),
            _ if self.scalar == Scalar::Bool => unpack_bools::<LSB_FIRST>(packed, items),
            1 => self.unpack_components::<1>(packed, items),
            2 => self.unpack_components::<2>(packed, items),
            4 => self.unpack_components::<4>(packed, items),
            _ => self.unpack_components::<8>(packed, items),
        }
    }

    /// Whether what is stored is the components themselves, little-endian as they are in memory.
    fn is_whole(self) -> bool {
        self.width as usize == 8 * self.scalar.nbytes() && cfg!(target_endian = "little")
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    fn pack_components<const N: usize>(self, items: &[u8], packed: &mut [u8]) {
        let (mut waiting, mut bits, mut at) = (0_u128, 0, 0);
        for component in items.as_chunks::<N>().0 {
            let value = (from_native(*component) >> self.first) & self.mask();
            waiting |= u128::from(value) << bits;
            bits += self.width;
            if bits >= 64 {
                packed[at..at + 8].copy_from_slice(&(waiting as u64).to_le_bytes());
                (waiting, bits, at) = (waiting >> 64, bits - 64, at + 8);
            }
        }
        let rest = &mut packed[at..];
        rest.copy_from_slice(&waiting.to_le_bytes()[..rest.len()]);
    }

    fn unpack_components<const N: usize>(self, packed: &[u8], items: &mut [u8]) {
        let (words, tail) = packed.as_chunks::<8>();
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        let mut words = words.iter().copied().chain([last]).map(u64::from_le_bytes);
        let (mut waiting, mut bits) = (0_u128, 0);
        for component in items.as_chunks_mut::<N>().0 {
            if bits < self.width {
                waiting |= u128::from(words.next().unwrap_or(0)) << bits;
                bits += 64;
            }
            let value = waiting as u64 & self.mask();
            (waiting, bits) = (waiting >> self.width, bits - self.width);
            *component = to_native(self.extend(value) << self.first);
        }
    }

    /// The sign bit copied up to the data type's last bit. Those of a byte that are above it stay zeros, as NumPy's
    /// types of less than eight bits have them.
    fn extend(self, value: u64) -> u64 {
        if !self.scalar.is_signed_int() {
            return value;
        }
        let unused = 64 - self.width;
        let extended = ((value << unused) as i64 >> unused) as u64;
        extended & (u64::MAX >> (64 - self.scalar.bits() + self.first))
    }
}

fn from_native<const N: usize>(component: [u8; N]) -> u64 {
    let mut word = [0; 8];
    if cfg!(target_endian = "little") {
        word[..N].copy_from_slice(&component);
    } else {
        word[8 - N..].copy_from_slice(&component);
    }
    u64::from_ne_bytes(word)
}

fn to_native<const N: usize>(value: u64) -> [u8; N] {
    let mut component = [0; N];
    let word = value.to_ne_bytes();
    component.copy_from_slice(if cfg!(target_endian = "little") {
        &word[..N]
    } else {
        &word[8 - N..]
    });
    component
}

pub(super) const LSB_FIRST: bool = false;
pub(super) const MSB_FIRST: bool = true;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// One bit for each byte, which is true where it is not zero; what is free in the last byte is zeros.
pub(super) fn pack_bools<const MSB: bool>(items: &[u8], packed: &mut [u8]) {
    let (eights, tail) = items.as_chunks::<8>();
    for (byte, eight) in packed.iter_mut().zip(eights) {
        *byte = pack_eight::<MSB>(*eight);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        packed[eights.len()] = pack_eight::<MSB>(last);
    }
}

fn pack_eight<const MSB: bool>(eight: [u8; 8]) -> u8 {
    let mut word = u64::from_le_bytes(eight);
    word |= word >> 4;
    word |= word >> 2;
    word |= word >> 1;
    // Each low bit is multiplied to its place in the top byte; no two products meet.
    let places = if MSB {
        0x8040_2010_0804_0201
    } else {
        0x0102_0408_1020_4080
    };
    ((word & LOW_BITS).wrapping_mul(places) >> 56) as u8
}

/// A byte of 0 or 1 for each bit.
pub(super) fn unpack_bools<const MSB: bool>(packed: &[u8], items: &mut [u8]) {
    let (eights, tail) = items.as_chunks_mut::<8>();
    for (eight, byte) in eights.iter_mut().zip(packed) {
        *eight = unpack_eight::<MSB>(*byte);
    }
    if let Some(&last) = packed.get(eights.len()) {
        tail.copy_from_slice(&unpack_eight::<MSB>(last)[..tail.len()]);
    }
}

fn unpack_eight<const MSB: bool>(byte: u8) -> [u8; 8] {
    let places: u64 = if MSB {
        0x0102_0408_1020_4080
    } else {
        0x8040_2010_0804_0201
    };
    let found = (u64::from(byte) * LOW_BITS) & places;
    // A byte that is not zero carries into its top bit.
    ((found + 0x7f * LOW_BITS) >> 7 & LOW_BITS).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{Serializer, compile_error, noise, roundtrip, torture};
    use crate::dtype::{Kind, Layout};
    use crate::error::Kind as ErrorKind;

    fn spec(count: u64, kind: Kind) -> ChunkSpec {
        let layout = Layout::of(kind).unwrap();
        let fill = vec![0; layout.item_nbytes];
        ChunkSpec::new(vec![count], layout, &fill).unwrap()
    }

    fn codec(configuration: &Value, spec: &ChunkSpec) -> Serializer {
        let json = json!({"name": "packbits", "configuration": configuration});
        match compile(&Document::parse(&json).unwrap(), spec).unwrap() {
            Stage::ArrayBytes(codec) => Serializer(codec),
            _ => unreachable!(),
        }
    }

    fn encode(configuration: Value, kind: Kind, items: &[u8]) -> Vec<u8> {
        let count = items.len() / Layout::of(kind).unwrap().item_nbytes;
        let codec = codec(&configuration, &spec(count as u64, kind));
        let encoded = codec.0.encode(Bytes::Borrowed(items)).unwrap().to_vec();
        assert_eq!(codec.0.encoded_nbytes(), Some(encoded.len() as u64));
        assert_eq!(codec.0.max_encoded_nbytes(), encoded.len() as u64);
        encoded
    }

    /// The definition, bit by bit.
    fn by_definition(components: &[u64], first: u32, width: u32) -> Vec<u8> {
        let bits: Vec<u64> = components
            .iter()
            .flat_map(|value| (first..first + width).map(move |bit| value >> bit & 1))
            .collect();
        let byte = |bits: &[u64]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | *bit as u8);
        bits.chunks(8).map(byte).collect()
    }

    /// What decoding the stored bits of a component gives.
    fn restored(value: u64, scalar: Scalar, first: u32, width: u32) -> u64 {
        let field = value >> first & (u64::MAX >> (64 - width));
        let negative = scalar.is_signed_int() && field >> (width - 1) & 1 == 1;
        let above = if negative { u64::MAX << (first + width - 1) } else { 0 };
        ((field << first) | above) & (u64::MAX >> (64 - scalar.bits()))
    }

    #[test]
    fn every_scalar_and_every_field_agrees_with_the_definition() {
        for &scalar in Scalar::ALL {
            let (bits, nbytes) = (scalar.bits(), scalar.nbytes());
            let mask = u64::MAX >> (64 - bits);
            for (kind, count) in [(Kind::Real(scalar), 13), (Kind::Complex(scalar), 6)] {
                let components = count * kind.components().unwrap().1;
                let values: Vec<u64> = noise(8 * components)
                    .chunks(8)
                    .map(|word| u64::from_le_bytes(word.try_into().unwrap()) & mask)
                    .collect();
                let native = |value: u64| value.to_le_bytes()[..nbytes].to_vec();
                let items: Vec<u8> = values.iter().flat_map(|&value| native(value)).collect();
                for first in 0..bits {
                    for last in first..bits {
                        let width = last - first + 1;
                        let codec = codec(
                            &json!({"first_bit": first, "last_bit": last}),
                            &spec(count as u64, kind),
                        );
                        let encoded = codec.0.encode(Bytes::Borrowed(&items)).unwrap();
                        assert_eq!(
                            *encoded,
                            by_definition(&values, first, width),
                            "{kind:?} {first} {last}"
                        );
                        let want: Vec<u8> = values
                            .iter()
                            .flat_map(|&value| native(restored(value, scalar, first, width)))
                            .collect();
                        assert_eq!(*codec.0.decode(encoded).unwrap(), want, "{kind:?} {first} {last}");
                    }
                }
            }
        }
    }

    #[test]
    fn booleans_of_every_length() {
        for count in 0..70 {
            let items: Vec<u8> = noise(count).iter().map(|byte| byte & 1).collect();
            let codec = codec(&json!({}), &spec(count as u64, Kind::Real(Scalar::Bool)));
            let encoded = roundtrip(&codec, &items);
            let values: Vec<u64> = items.iter().map(|&item| u64::from(item)).collect();
            assert_eq!(encoded, by_definition(&values, 0, 1));
        }
        // NumPy takes every byte but zero as true.
        assert_eq!(
            encode(json!({}), Kind::Real(Scalar::Bool), &[0, 2, 128, 255, 0]),
            [0b1110]
        );
    }

    #[test]
    fn where_the_padding_is_counted() {
        let uint4 = Kind::Real(Scalar::Uint4);
        assert_eq!(encode(json!({}), uint4, &[1, 2, 3]), [0x21, 0x03]);
        assert_eq!(
            encode(json!({"padding_encoding": "none"}), uint4, &[1, 2, 3]),
            [0x21, 0x03]
        );
        assert_eq!(
            encode(json!({"padding_encoding": "first_byte"}), uint4, &[1, 2, 3]),
            [4, 0x21, 0x03]
        );
        assert_eq!(
            encode(json!({"padding_encoding": "last_byte"}), uint4, &[1, 2, 3]),
            [0x21, 0x03, 4]
        );
        assert_eq!(
            encode(json!({"padding_encoding": "last_byte"}), uint4, &[1, 2]),
            [0x21, 0]
        );
        assert_eq!(encode(json!({"padding_encoding": "first_byte"}), uint4, &[]), [0]);
    }

    #[test]
    fn integers_of_less_than_a_byte_keep_their_upper_bits_zero() {
        let codec = codec(&json!({}), &spec(4, Kind::Real(Scalar::Int4)));
        assert_eq!(&*codec.0.decode(Bytes::Borrowed(&[0x8f, 0x71])).unwrap(), [15, 8, 1, 7]);
        // What is above them in memory is not stored.
        assert_eq!(
            &*codec.0.encode(Bytes::Borrowed(&[0xff, 0xf8, 1, 7])).unwrap(),
            [0x8f, 0x71]
        );
    }

    #[test]
    fn damage_is_an_error_or_other_values() {
        for padding in ["none", "first_byte", "last_byte"] {
            let spec = spec(37, Kind::Real(Scalar::Int16));
            let codec = codec(&json!({"padding_encoding": padding, "last_bit": 10}), &spec);
            let items: Vec<u8> = (0..37_i16).flat_map(|n| (n - 20).to_ne_bytes()).collect();
            let encoded = roundtrip(&codec, &items);
            // Every other pattern of bits stands for something; the byte that counts the padding does not.
            let free = encoded.len() - usize::from(padding != "none");
            let accepted = torture(&codec, &encoded, items.len());
            assert!(accepted >= 8 * free && accepted <= 14 * free, "{padding}: {accepted}");
        }
        let codec = codec(
            &json!({"padding_encoding": "first_byte"}),
            &spec(3, Kind::Real(Scalar::Uint4)),
        );
        let kind = |data: &[u8]| codec.0.decode(Bytes::Borrowed(data)).err().map(|e| e.kind());
        assert_eq!(kind(&[4, 0, 0]), None);
        assert_eq!(kind(&[5, 0, 0]), Some(ErrorKind::Codec));
        assert_eq!(kind(&[4, 0]), Some(ErrorKind::Truncated));
        assert_eq!(kind(&[4, 0, 0, 0]), Some(ErrorKind::Size));
    }

    #[test]
    fn the_document_keeps_what_was_given() {
        let spec = spec(3, Kind::Real(Scalar::Uint16));
        let json = |configuration: Value| codec(&configuration, &spec).0.to_json()["configuration"].clone();
        assert_eq!(json(json!({})), json!({"padding_encoding": "none"}));
        assert_eq!(
            json(json!({"first_bit": null, "last_bit": 3, "padding_encoding": "last_byte"})),
            json!({"padding_encoding": "last_byte", "last_bit": 3})
        );
    }

    #[test]
    fn wrong_configuration_names_the_member() {
        let int4 = spec(3, Kind::Real(Scalar::Int4));
        for (key, wrong) in [
            ("padding_encoding", json!({"padding_encoding": "start_byte"})),
            ("padding_encoding", json!({"padding_encoding": null})),
            ("first_bit", json!({"first_bit": -1})),
            ("first_bit", json!({"first_bit": 4})),
            ("first_bit", json!({"first_bit": 1.0})),
            ("last_bit", json!({"last_bit": 4})),
            ("last_bit", json!({"first_bit": 2, "last_bit": 1})),
            ("bits", json!({"bits": 3})),
        ] {
            let error = compile_error(compile, &json!({"name": "packbits", "configuration": wrong}), &int4);
            assert_eq!(error.kind(), ErrorKind::Metadata);
            assert!(error.detail().contains(key), "{error}");
        }
        let text = crate::codec::hostile::spec_of(&[3], 4);
        assert_eq!(
            compile_error(compile, &json!("packbits"), &text).kind(),
            ErrorKind::Metadata
        );
    }
}
