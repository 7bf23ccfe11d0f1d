//! `numcodecs.fixedscaleoffset`: `(item - offset) * scale`, rounded to an integer, in another data type.
//!
//! <https://numcodecs.readthedocs.io/en/stable/filter/fixedscaleoffset.html>
//!
//! Names: `numcodecs.fixedscaleoffset`.
//!
//! ```json
//! {"name": "numcodecs.fixedscaleoffset",
//!  "configuration": {"offset": 1000, "scale": 10, "dtype": "<f8", "astype": "|u1"}}
//! ```
//!
//! The arithmetic is NumPy's: floats stay what they are; integers do too as long as `offset` and `scale` are integers,
//! and become doubles where one is not. Decoding, `item / scale + offset`, makes doubles of all integers. Nothing is
//! refused but an integer `offset` or `scale` that the integers of `dtype` do not have.
//!
//! Bound: `dtype` and `astype`, the layouts of these.

use serde_json::{Number as JsonNumber, Value};

use super::filter::{Loops, Pair, loops};
use super::{Document, Stage};
use crate::dtype::Scalar;
use crate::error::{Error, Kind, Result};
use crate::number::boolean::Boolean;
use crate::number::native::Native;
use crate::number::{Number, Rounding};
use crate::spec::ChunkSpec;

#[derive(Clone, Copy)]
enum Parameter {
    Integer { negative: bool, magnitude: u64 },
    Float(f64),
}

struct FixedScaleOffset {
    offset: Parameter,
    scale: Parameter,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["offset", "scale", "dtype", "astype"])?;
    let parameters = FixedScaleOffset {
        offset: parameter(document, "offset")?,
        scale: parameter(document, "scale")?,
    };
    let pair = Pair::parse(document, spec, "dtype", "astype")?;
    let loops = if pair.lanes == 1 { loops_of(&pair) } else { None };
    pair.stage(document, spec, parameters, loops)
}

fn loops_of(pair: &Pair) -> Option<Loops<FixedScaleOffset>> {
    match (pair.from, pair.to) {
        (Scalar::Bfloat16, _) | (_, Scalar::Bfloat16) => None,
        _ => loops!(with_native, pair, encode, decode),
    }
}

fn parameter(document: &Document<'_>, key: &str) -> Result<Parameter> {
    let number = document.get(key).and_then(Value::as_number);
    number
        .and_then(Parameter::parse)
        .ok_or_else(|| document.invalid(key, "a number"))
}

impl Parameter {
    fn parse(number: &JsonNumber) -> Option<Self> {
        let integer = |negative, magnitude| Parameter::Integer { negative, magnitude };
        match (number.as_u64(), number.as_i64()) {
            (Some(magnitude), _) => Some(integer(false, magnitude)),
            (None, Some(value)) => Some(integer(true, value.unsigned_abs())),
            (None, None) => number.as_f64().map(Parameter::Float),
        }
    }

    fn to_f64(self) -> f64 {
        match self {
            Parameter::Float(value) => value,
            Parameter::Integer { negative, magnitude } if negative => -(magnitude as f64),
            Parameter::Integer { magnitude, .. } => magnitude as f64,
        }
    }

    /// The parameter as an integer of the data type; none where it is a float.
    fn integer<T: Native>(self) -> Option<Result<T>> {
        let Parameter::Integer { negative, magnitude } = self else {
            return None;
        };
        let number = Number::Finite {
            negative,
            magnitude,
            exponent: 0,
        };
        let missing = |_| Error::new(Kind::Codec, format!("{} has no {number}", T::SCALAR.name()));
        let bits = T::SCALAR.write(number, Rounding::NearestEven);
        Some(bits.map(T::from_bits).map_err(missing))
    }
}

fn encode<S: Native, D: Native>(parameters: &FixedScaleOffset, items: &[u8], out: &mut [u8]) -> Result<()> {
    if S::SCALAR == Scalar::Bool {
        // What NumPy makes of a bool and an integer.
        return encode_as::<Boolean, i64, D>(parameters, items, out);
    }
    encode_as::<S, S, D>(parameters, items, out)
}

/// Items of `S` that are computed with as `C`.
fn encode_as<S: Native, C: Native, D: Native>(
    parameters: &FixedScaleOffset,
    items: &[u8],
    out: &mut [u8],
) -> Result<()> {
    let (offset, scale) = (parameters.offset, parameters.scale);
    let pairs = D::items_mut(out).iter_mut().zip(S::items(items));
    let item = |item: S::Bytes| S::get(item).cast::<C>();
    if C::IS_FLOAT {
        let (offset, scale) = (C::from_f64(offset.to_f64()), C::from_f64(scale.to_f64()));
        for (out, &bytes) in pairs {
            let scaled = item(bytes).minus(offset).times(scale);
            *out = scaled.rounded(Rounding::NearestEven).cast::<D>().put();
        }
        return Ok(());
    }
    let float = |value: f64| value.rounded(Rounding::NearestEven);
    match (offset.integer::<C>().transpose()?, scale.integer::<C>()) {
        (Some(offset), Some(scale)) => {
            let scale = scale?;
            for (out, &bytes) in pairs {
                *out = item(bytes).minus(offset).times(scale).cast::<D>().put();
            }
        }
        (Some(offset), None) => {
            let scale = scale.to_f64();
            for (out, &bytes) in pairs {
                *out = D::from_f64(float(item(bytes).minus(offset).cast::<f64>() * scale)).put();
            }
        }
        (None, _) => {
            let (offset, scale) = (offset.to_f64(), scale.to_f64());
            for (out, &bytes) in pairs {
                *out = D::from_f64(float((item(bytes).cast::<f64>() - offset) * scale)).put();
            }
        }
    }
    Ok(())
}

fn decode<S: Native, D: Native>(parameters: &FixedScaleOffset, items: &[u8], out: &mut [u8]) -> Result<()> {
    let (offset, scale) = (parameters.offset.to_f64(), parameters.scale.to_f64());
    let pairs = S::items_mut(out).iter_mut().zip(D::items(items));
    if D::IS_FLOAT {
        let (offset, scale) = (D::from_f64(offset), D::from_f64(scale));
        for (out, &item) in pairs {
            *out = D::get(item).over(scale).plus(offset).cast::<S>().put();
        }
    } else {
        for (out, &item) in pairs {
            *out = S::from_f64(D::get(item).cast::<f64>() / scale + offset).put();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::filter::tests::{check, codec, document, spec};
    use crate::codec::hostile::compile_error;
    use crate::dtype::Kind as Items;
    use crate::scratch::Bytes;

    const KEYS: [&str; 2] = ["dtype", "astype"];

    fn json(from: Items, to: Items, offset: Value, scale: Value) -> Value {
        document(
            "numcodecs.fixedscaleoffset",
            KEYS,
            from,
            to,
            json!({"offset": offset, "scale": scale}),
        )
    }

    #[test]
    fn known_values() {
        let (double, uint8) = (Items::Real(Scalar::Float64), Items::Real(Scalar::Uint8));
        let bytes = |values: [f64; 4]| values.map(f64::to_ne_bytes).concat();
        let items = bytes([1000.0, 1000.111, 1000.35, 1001.0]);
        let json = json(double, uint8, json!(1000), json!(10));
        let back = bytes([1000.0, 1000.1, 1000.4, 1001.0]);
        check(compile, &json, &spec(double, 4, &[0; 8]), &items, &[0, 1, 4, 10], &back);
    }

    #[test]
    fn integers_stay_integers_as_long_as_the_parameters_are() {
        let int8 = Items::Real(Scalar::Int8);
        let spec = spec(int8, 2, &[5]);
        // 100 - -100 wraps.
        check(
            compile,
            &json(int8, int8, json!(-100), json!(1)),
            &spec,
            &[100, 3],
            &[200, 103],
            &[100, 3],
        );
        // 2.5 to even.
        check(
            compile,
            &json(int8, int8, json!(0), json!(0.5)),
            &spec,
            &[5, 7],
            &[2, 4],
            &[4, 8],
        );
        let far = codec(compile, &json(int8, int8, json!(1000), json!(1)), &spec);
        let error = far.encode(Bytes::Borrowed(&[1, 2])).err().unwrap();
        assert!(
            error.kind() == Kind::Codec && error.detail().contains("int8 has no 1000"),
            "{error}"
        );
        assert!(far.decode(Bytes::Borrowed(&[1, 2])).is_ok());
    }

    #[test]
    fn what_cannot_be() {
        let (complex, double) = (Items::Complex(Scalar::Float32), Items::Real(Scalar::Float64));
        let error = compile_error(
            compile,
            &json(complex, complex, json!(1), json!(1)),
            &spec(complex, 1, &[0; 8]),
        );
        assert!(error.detail().contains("complex:float32"), "{error}");
        let error = compile_error(
            compile,
            &json(double, double, json!("1"), json!(1)),
            &spec(double, 1, &[0; 8]),
        );
        assert!(error.detail().contains("offset"), "{error}");
    }
}
