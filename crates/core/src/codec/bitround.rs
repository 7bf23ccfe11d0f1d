//! `bitround`: fewer bits that count, the others zero; decoding leaves that as it is.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/bitround>
//!
//! Names: `bitround`, `numcodecs.bitround`.
//!
//! ```json
//! {"name": "bitround", "configuration": {"keepbits": 10}}
//! ```
//!
//! Floats keep as many bits of the mantissa, rounded to nearest even; a NaN stays one. Integers keep as many bits from
//! the highest that is set, rounded likewise but never beyond the largest integer; of negative ones the highest bit is
//! the sign. `numcodecs.bitround` is for floats of 16, 32 and 64 bits only, and refuses to keep more than there are.
//!
//! Bound: `layout`, where items are to be taken for another data type than their own (times for integers).

use super::computed::{self, Compute, bound_layout, unsupported};
use super::{Document, Stage};
use crate::dtype::{Layout, Scalar};
use crate::error::{Error, Result};
use crate::spec::ChunkSpec;

struct BitRound {
    scalar: Scalar,
    keep: u32,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["keepbits"])?;
    let filter = document.name != "bitround";
    let keep = document.integer("keepbits", i64::from(!filter), i64::from(u32::MAX), None)?;
    let keep = u32::try_from(keep).unwrap_or(u32::MAX);
    let layout = match document.bound("layout") {
        Some(_) => bound_layout(document, "layout")?,
        None => spec.layout.clone(),
    };
    let scalar = scalar_of(document, &layout, filter)?;
    if let Some(most) = scalar.mantissa_bits().filter(|&most| filter && keep > most) {
        let error = Error::metadata(format!("{} has {most} bits to keep, not {keep}", scalar.name()));
        return Err(error.under("/configuration/keepbits"));
    }
    computed::stage(
        document,
        spec,
        spec.layout.clone(),
        &spec.fill_value,
        BitRound { scalar, keep },
    )
}

fn scalar_of(document: &Document<'_>, layout: &Layout, filter: bool) -> Result<Scalar> {
    use Scalar::{Bfloat16, Float16, Float32, Float64};
    let found = layout.kind.components().filter(|&(scalar, components)| match scalar {
        Float16 | Float32 | Float64 => !filter || components == 1,
        Bfloat16 => !filter,
        _ => !filter && scalar.is_int() && scalar.bits() >= 8,
    });
    found
        .map(|(scalar, _)| scalar)
        .ok_or_else(|| unsupported(document, layout))
}

impl Compute for BitRound {
    fn encode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        let keep = self.keep;
        match (self.scalar, self.scalar.mantissa_bits()) {
            (Scalar::Float64, Some(bits)) => floats_64(items, out, keep, bits),
            (Scalar::Float32, Some(bits)) => floats_32(items, out, keep, bits),
            (_, Some(bits)) => floats_16(items, out, keep, bits),
            (scalar, None) => match scalar.nbytes() {
                1 => integers_8(items, out, keep, scalar.is_signed_int()),
                2 => integers_16(items, out, keep, scalar.is_signed_int()),
                4 => integers_32(items, out, keep, scalar.is_signed_int()),
                _ => integers_64(items, out, keep, scalar.is_signed_int()),
            },
        }
        Ok(())
    }

    fn decode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(items);
        Ok(())
    }

    fn keeps_when_decoding(&self) -> bool {
        true
    }
}

macro_rules! floats {
    ($($name:ident $bits:ident)*) => { $(
        fn $name(items: &[u8], out: &mut [u8], keep: u32, mantissa_bits: u32) {
            let drop = mantissa_bits.saturating_sub(keep);
            if drop == 0 {
                return out.copy_from_slice(items);
            }
            let sign: $bits = 1 << ($bits::BITS - 1);
            let infinity: $bits = (sign - 1) >> mantissa_bits << mantissa_bits;
            let quiet: $bits = infinity | 1 << (mantissa_bits - 1);
            let kept = $bits::MAX >> drop << drop;
            let half: $bits = (1 << (drop - 1)) - 1;
            for (out, item) in out.as_chunks_mut().0.iter_mut().zip(items.as_chunks().0) {
                let item = $bits::from_ne_bytes(*item);
                let rounded = item.wrapping_add((item >> drop & 1) + half) & kept;
                // A NaN may round to an infinity, or beyond it.
                let is_nan = item & !sign > infinity;
                let lost = is_nan && rounded & !sign <= infinity;
                *out = if lost { item & sign | quiet } else { rounded }.to_ne_bytes();
            }
        }
    )* };
}
floats!(floats_16 u16 floats_32 u32 floats_64 u64);

macro_rules! integers {
    ($($name:ident $bits:ident)*) => { $(
        fn $name(items: &[u8], out: &mut [u8], keep: u32, signed: bool) {
            let highest = $bits::MAX >> u32::from(signed);
            for (out, item) in out.as_chunks_mut().0.iter_mut().zip(items.as_chunks().0) {
                let item = $bits::from_ne_bytes(*item);
                let drop = ($bits::BITS - item.leading_zeros()).saturating_sub(keep);
                let limit = if item > highest { $bits::MAX } else { highest };
                let half = (1 as $bits).checked_shl(drop).unwrap_or(0) >> 1;
                let up = half.saturating_sub(1) + if drop > 0 { item >> drop & 1 } else { 0 };
                let kept = $bits::MAX >> drop << drop;
                *out = (item.saturating_add(up).min(limit) & kept).to_ne_bytes();
            }
        }
    )* };
}
integers!(integers_8 u8 integers_16 u16 integers_32 u32 integers_64 u64);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::hostile::{compile_error, spec_of};
    use crate::dtype::Kind as Items;
    use crate::error::Kind;
    use crate::scratch::Bytes;

    fn encode(name: &str, kind: Items, keep: u32, items: &[u8]) -> Vec<u8> {
        let json = json!({"name": name, "configuration": {"keepbits": keep}});
        let layout = Layout::of(kind).unwrap();
        let (count, fill_value) = (items.len() / layout.item_nbytes, vec![0; layout.item_nbytes]);
        let spec = ChunkSpec::new(vec![count as u64], layout, &fill_value).unwrap();
        let Stage::ArrayArray(codec) = compile(&Document::parse(&json).unwrap(), &spec).unwrap() else {
            unreachable!()
        };
        let encoded = codec.encode(Bytes::Borrowed(items)).unwrap().to_vec();
        assert_eq!(&*codec.decode(Bytes::Borrowed(&encoded)).unwrap(), encoded);
        assert_eq!(codec.to_json(), json);
        encoded
    }

    #[test]
    fn floats_round_to_nearest_even() {
        for name in ["bitround", "numcodecs.bitround"] {
            let known = [
                (1.75_f32, 2.0_f32),
                (1.25, 1.0),
                (1.26, 1.5),
                (-1.75, -2.0),
                (0.0, 0.0),
                (f32::MAX, f32::INFINITY),
            ];
            let items: Vec<u8> = known.iter().flat_map(|(item, _)| item.to_ne_bytes()).collect();
            let want: Vec<u8> = known.iter().flat_map(|(_, want)| want.to_ne_bytes()).collect();
            assert_eq!(encode(name, Items::Real(Scalar::Float32), 1, &items), want);
        }
        let pair: Vec<u8> = [1.75_f64, -1.25].iter().flat_map(|part| part.to_ne_bytes()).collect();
        let want: Vec<u8> = [2.0_f64, -1.0].iter().flat_map(|part| part.to_ne_bytes()).collect();
        assert_eq!(encode("bitround", Items::Complex(Scalar::Float64), 1, &pair), want);
    }

    #[test]
    fn every_half_keeps_its_class_and_the_nearest_value() {
        for keep in 0..=10 {
            for bits in 0..=u16::MAX {
                let found = encode(
                    "numcodecs.bitround",
                    Items::Real(Scalar::Float16),
                    keep,
                    &bits.to_ne_bytes(),
                );
                let found = u16::from_ne_bytes([found[0], found[1]]);
                let (item, rounded) = (half::f16::from_bits(bits), half::f16::from_bits(found));
                assert_eq!(item.is_nan(), rounded.is_nan(), "{bits:#x} {keep}");
                assert_eq!(item.is_sign_negative(), rounded.is_sign_negative());
                if item.is_finite() {
                    assert!(found & ((1 << (10 - keep)) - 1) == 0);
                    let step = 1_i32 << (10 - keep);
                    assert!(2 * (i32::from(bits & 0x7fff) - i32::from(found & 0x7fff)).abs() <= step);
                }
            }
        }
    }

    #[test]
    fn integers_keep_bits_from_the_highest() {
        let kind = |scalar| Items::Real(scalar);
        assert_eq!(
            encode(
                "bitround",
                kind(Scalar::Uint8),
                3,
                &[0, 1, 7, 8, 9, 10, 11, 27, 255, 127]
            ),
            [0, 1, 7, 8, 8, 10, 12, 28, 224, 128]
        );
        // Up to 128 would change the sign.
        assert_eq!(encode("bitround", kind(Scalar::Int8), 3, &[127, 27, 5]), [112, 28, 5]);
        assert_eq!(encode("bitround", kind(Scalar::Int8), 3, &[0x80, 0xff]), [0x80, 0xe0]);
        let wide = encode("bitround", kind(Scalar::Int64), 64, &i64::MIN.to_ne_bytes());
        assert_eq!(wide, i64::MIN.to_ne_bytes());
    }

    #[test]
    fn wrong_configurations() {
        let double = ChunkSpec::new(vec![1], Layout::of(Items::Real(Scalar::Float64)).unwrap(), &[0; 8]).unwrap();
        for (name, keep) in [
            ("bitround", json!(0)),
            ("numcodecs.bitround", json!(53)),
            ("numcodecs.bitround", json!(-1)),
            ("bitround", json!("1")),
        ] {
            let json = json!({"name": name, "configuration": {"keepbits": keep}});
            assert_eq!(compile_error(compile, &json, &double).kind(), Kind::Metadata);
        }
        let json = json!({"name": "bitround", "configuration": {"keepbits": 3}});
        let error = compile_error(compile, &json, &spec_of(&[1], 8));
        assert!(error.detail().contains("opaque"), "{error}");
    }
}
