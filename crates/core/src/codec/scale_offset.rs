//! `scale_offset`: `(item - offset) * scale`, in the arithmetic of the data type.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/scale_offset>
//!
//! Names: `scale_offset`.
//!
//! ```json
//! {"name": "scale_offset", "configuration": {"offset": 5, "scale": 0.1}}
//! ```
//!
//! Decoding gives `item / scale + offset`. What the data type has no value for is refused: an integer out of range, a
//! quotient that is not whole, an overflow of a float without infinity. Floats are rounded after each operation.
//!
//! Bound: `offset` and `scale`, as items.

use super::computed::{self, Compute, bound_item, is_unfilled, real};
use super::{Document, Stage};
use crate::dtype::Scalar;
use crate::error::{Error, Kind, Result};
use crate::number::dispatch::with_number;
use crate::number::native::Native;
use crate::number::{Number, Rounding, item_bits, put_item};
use crate::spec::ChunkSpec;

struct ScaleOffset {
    scalar: Scalar,
    offset: u64,
    scale: u64,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["offset", "scale"])?;
    let scalar = real(document, &spec.layout)?;
    let codec = ScaleOffset {
        scalar,
        offset: bound_item(document, "offset", scalar)?,
        scale: bound_item(document, "scale", scalar)?,
    };
    if matches!(scalar.read(codec.scale), Number::Finite { magnitude: 0, .. }) {
        return Err(document.invalid("scale", "a number other than zero"));
    }
    let mut fill_value = vec![0; spec.layout.item_nbytes];
    let encoded = codec.encode(&spec.fill_value, &mut fill_value);
    if !is_unfilled(document) {
        encoded.map_err(|error| Error::metadata(format!("the fill value: {}", error.detail())))?;
    }
    computed::stage(document, spec, spec.layout.clone(), &fill_value, codec)
}

#[derive(Clone, Copy)]
enum Direction {
    Encode,
    Decode,
}

impl Compute for ScaleOffset {
    fn encode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        self.run(Direction::Encode, items, out)
    }

    fn decode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        self.run(Direction::Decode, items, out)
    }
}

impl ScaleOffset {
    fn run(&self, direction: Direction, items: &[u8], out: &mut [u8]) -> Result<()> {
        with_number!(self.scalar, T => match T::IS_FLOAT {
            true => { self.floats::<T>(direction, items, out); Ok(()) }
            false => self.integers::<T>(direction, items, out),
        }, _ => self.by_definition(direction, items, out))
    }

    fn floats<T: Native>(&self, direction: Direction, items: &[u8], out: &mut [u8]) {
        let (offset, scale) = (T::from_bits(self.offset), T::from_bits(self.scale));
        let pairs = T::items_mut(out).iter_mut().zip(T::items(items));
        match direction {
            Direction::Encode => pairs.for_each(|(out, &item)| *out = T::get(item).minus(offset).times(scale).put()),
            Direction::Decode => pairs.for_each(|(out, &item)| *out = T::get(item).over(scale).plus(offset).put()),
        }
    }

    /// Wraps, and so gives the right bits for all items of which the result is in range.
    fn integers<T: Native>(&self, direction: Direction, items: &[u8], out: &mut [u8]) -> Result<()> {
        let (offset, scale) = (T::from_bits(self.offset), T::from_bits(self.scale));
        let Some((low, high)) = self.domain(direction) else {
            return self.by_definition(direction, items, out);
        };
        let (low, high) = (T::from_bits(low as u64), T::from_bits(high as u64));
        let mut all = true;
        let pairs = T::items_mut(out).iter_mut().zip(T::items(items));
        match direction {
            Direction::Encode => pairs.for_each(|(out, &item)| {
                let item = T::get(item);
                all &= item >= low && item <= high;
                *out = item.minus(offset).times(scale).put();
            }),
            Direction::Decode => pairs.for_each(|(out, &item)| {
                let item = T::get(item);
                let quotient = item.over(scale);
                all &= item >= low && item <= high && quotient.times(scale) == item;
                *out = quotient.plus(offset).put();
            }),
        }
        // Finds the first that is not, and says so.
        if all {
            Ok(())
        } else {
            self.by_definition(direction, items, out)
        }
    }

    /// The items of which the result is in range: both functions are monotone. None where there are no such items.
    fn domain(&self, direction: Direction) -> Option<(i128, i128)> {
        let (offset, scale) = (integer(self.scalar, self.offset)?, integer(self.scalar, self.scale)?);
        let (lowest, highest) = range(self.scalar);
        let (first, last) = if scale > 0 {
            (lowest, highest)
        } else {
            (highest, lowest)
        };
        let (low, high) = match direction {
            Direction::Encode => (offset - floor(-first, scale), offset + floor(last, scale)),
            Direction::Decode => (
                (first - offset).saturating_mul(scale),
                (last - offset).saturating_mul(scale),
            ),
        };
        let (low, high) = (low.max(lowest), high.min(highest));
        (low <= high).then_some((low, high))
    }

    fn by_definition(&self, direction: Direction, items: &[u8], out: &mut [u8]) -> Result<()> {
        let nbytes = self.scalar.nbytes();
        for (out, item) in out.chunks_exact_mut(nbytes).zip(items.chunks_exact(nbytes)) {
            let bits = item_bits(item);
            let found = if self.scalar.is_int() {
                self.integer(direction, bits)
            } else {
                self.float(direction, bits)
            };
            put_item(found.ok_or_else(|| self.refused(direction, bits))?, out);
        }
        Ok(())
    }

    fn integer(&self, direction: Direction, bits: u64) -> Option<u64> {
        let item = integer(self.scalar, bits)?;
        let (offset, scale) = (integer(self.scalar, self.offset)?, integer(self.scalar, self.scale)?);
        let found = match direction {
            Direction::Encode => (item - offset).checked_mul(scale)?,
            Direction::Decode if item % scale == 0 => item / scale + offset,
            Direction::Decode => return None,
        };
        let (lowest, highest) = range(self.scalar);
        let above = 64 - self.scalar.bits();
        (lowest <= found && found <= highest).then_some((found as u64) << above >> above)
    }

    /// Doubles hold what floats of up to eight bits give exactly enough for one more rounding to be the only one.
    fn float(&self, direction: Direction, bits: u64) -> Option<u64> {
        let value = |bits| self.scalar.read(bits).to_f64();
        let rounded = |found: f64| {
            let written = self.scalar.write(Number::of(found), Rounding::NearestEven);
            written.or_else(|unfit| self.infinity(found).ok_or(unfit)).ok()
        };
        let (item, offset, scale) = (value(bits), value(self.offset), value(self.scale));
        match direction {
            Direction::Encode => rounded(value(rounded(item - offset)?) * scale),
            Direction::Decode => rounded(value(rounded(item / scale)?) + offset),
        }
    }

    /// What an overflow gives, where the data type has it.
    fn infinity(&self, found: f64) -> Option<u64> {
        let infinite = Number::Infinite { negative: found < 0.0 };
        let overflows = found.abs() > 1.0;
        overflows.then(|| self.scalar.write(infinite, Rounding::NearestEven).ok())?
    }

    fn refused(&self, direction: Direction, bits: u64) -> Error {
        let formula = match direction {
            Direction::Encode => "(item - offset) * scale",
            Direction::Decode => "item / scale + offset",
        };
        let (item, name) = (self.scalar.read(bits), self.scalar.name());
        Error::new(Kind::Codec, format!("{formula} of {item} is not a value of {name}"))
    }
}

fn floor(number: i128, by: i128) -> i128 {
    let quotient = number / by;
    quotient - i128::from(number % by != 0 && (number < 0) != (by < 0))
}

fn integer(scalar: Scalar, bits: u64) -> Option<i128> {
    match scalar.read(bits) {
        Number::Finite {
            negative,
            magnitude,
            exponent: 0,
        } if negative => Some(-i128::from(magnitude)),
        Number::Finite {
            magnitude, exponent: 0, ..
        } => Some(magnitude.into()),
        _ => None,
    }
}

/// The lowest and the highest integer.
fn range(scalar: Scalar) -> (i128, i128) {
    if scalar.is_signed_int() {
        (-(1 << (scalar.bits() - 1)), (1 << (scalar.bits() - 1)) - 1)
    } else {
        (0, (1 << scalar.bits()) - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::codec::ArrayArrayCodec;
    use crate::codec::hostile::compile_error;
    use crate::dtype::{Kind as Items, Layout};
    use crate::scratch::Bytes;

    fn hex(scalar: Scalar, bits: u64) -> String {
        let mut item = vec![0; scalar.nbytes()];
        put_item(bits, &mut item);
        item.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn document(scalar: Scalar, offset: u64, scale: u64) -> serde_json::Value {
        json!({"name": "scale_offset", "configuration": {"offset": 0, "scale": 1,
            "zarrpipe:offset": hex(scalar, offset), "zarrpipe:scale": hex(scalar, scale)}})
    }

    fn spec(scalar: Scalar, items: usize, fill: u64) -> ChunkSpec {
        let mut fill_value = vec![0; scalar.nbytes()];
        put_item(fill, &mut fill_value);
        ChunkSpec::new(
            vec![items as u64],
            Layout::of(Items::Real(scalar)).unwrap(),
            &fill_value,
        )
        .unwrap()
    }

    fn codec(scalar: Scalar, items: usize, offset: u64, scale: u64, fill: u64) -> Arc<dyn ArrayArrayCodec> {
        let json = document(scalar, offset, scale);
        match compile(&Document::parse(&json).unwrap(), &spec(scalar, items, fill)).unwrap() {
            Stage::ArrayArray(codec) => codec,
            _ => unreachable!(),
        }
    }

    /// Every item under every offset and scale of eight bits, against wide arithmetic.
    #[test]
    fn every_byte() {
        for signed in [false, true] {
            let (scalar, range) = if signed {
                (Scalar::Int8, -128..128)
            } else {
                (Scalar::Uint8, 0..256)
            };
            for (offset, scale) in range
                .clone()
                .step_by(7)
                .flat_map(|o| range.clone().map(move |s| (o, s)))
            {
                if scale == 0 {
                    continue;
                }
                // A fill value that stays in range.
                let codec = codec(scalar, 1, offset as u8 as u64, scale as u8 as u64, offset as u8 as u64);
                for item in range.clone() {
                    let bytes = [item as u8];
                    let one = |found: Result<Bytes<'_>>| found.ok().map(|bytes| bytes[0]);
                    let wide = |found: i32| range.contains(&found).then_some(found as u8);
                    let (encoded, decoded) = (wide((item - offset) * scale), wide(item / scale + offset));
                    assert_eq!(
                        one(codec.encode(Bytes::Borrowed(&bytes))),
                        encoded,
                        "{item} {offset} {scale}"
                    );
                    let whole = decoded.filter(|_| item % scale == 0);
                    assert_eq!(
                        one(codec.decode(Bytes::Borrowed(&bytes))),
                        whole,
                        "{item} {offset} {scale}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_widest_integers() {
        let most = u64::MAX;
        let wide = codec(Scalar::Uint64, 2, 1, 1, 1);
        let items: Vec<u8> = [most, 1].iter().flat_map(|n| n.to_ne_bytes()).collect();
        let encoded = wide.encode(Bytes::Borrowed(&items)).unwrap();
        assert_eq!(&*encoded, [most - 1, 0].map(u64::to_ne_bytes).concat());
        assert_eq!(&*wide.decode(encoded).unwrap(), items);
        assert_eq!(wide.encoded_spec().fill_value[..], [0; 8]);

        let error = codec(Scalar::Uint64, 1, 0, most, 0)
            .encode(Bytes::Borrowed(&2_u64.to_ne_bytes()))
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Codec);
        assert!(error.detail().contains("of 2 is not a value of uint64"), "{error}");
        // The lowest by minus one has no value, and division by it no trap.
        let flip = codec(Scalar::Int64, 1, 0, -1_i64 as u64, 0);
        assert!(flip.decode(Bytes::Borrowed(&i64::MIN.to_ne_bytes())).is_err());
    }

    #[test]
    fn floats_round_after_each_operation() {
        let half = |value: f32| u64::from(half::f16::from_f32(value).to_bits());
        let codec = codec(Scalar::Float16, 1, half(0.1), half(3.0), half(1.0));
        let bits = (half(2000.0) as u16).to_ne_bytes();
        let encoded = codec.encode(Bytes::Borrowed(&bits)).unwrap();
        assert_eq!(&*encoded, (half(6000.0) as u16).to_ne_bytes());
        let small = |items| self::codec(Scalar::Float8E4m3fn, items, 0, 0x40, 0x38);
        assert_eq!(small(1).encode(Bytes::Borrowed(&[0x38])).unwrap()[..], [0x40]);
        // 448 * 2 has no value, and there is no infinity.
        assert!(small(1).encode(Bytes::Borrowed(&[0x7e])).is_err());
    }

    #[test]
    fn what_cannot_be() {
        let zero = compile_error(compile, &document(Scalar::Int16, 0, 0), &spec(Scalar::Int16, 1, 0));
        assert_eq!((zero.kind(), zero.place()), (Kind::Metadata, "/configuration/scale"));
        let fill = compile_error(compile, &document(Scalar::Uint8, 5, 1), &spec(Scalar::Uint8, 1, 4));
        assert_eq!(fill.kind(), Kind::Metadata);
        assert!(fill.detail().contains("fill value"), "{fill}");
        let opaque = crate::codec::hostile::spec_of(&[1], 2);
        let kind = compile_error(compile, &document(Scalar::Int16, 0, 1), &opaque);
        assert!(kind.detail().contains("opaque"), "{kind}");
    }
}
