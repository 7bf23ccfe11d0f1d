//! `numcodecs.quantize`: floats rounded to so many decimal digits, to the next finer power of two.
//!
//! <https://numcodecs.readthedocs.io/en/stable/filter/quantize.html>
//!
//! Names: `numcodecs.quantize`.
//!
//! ```json
//! {"name": "numcodecs.quantize", "configuration": {"digits": 3, "dtype": "<f8", "astype": "<f4"}}
//! ```
//!
//! Bound: `dtype` and `astype`, the layouts of these.

use serde_json::Value;

use super::filter::{Pair, loops};
use super::{Document, Stage};
use crate::dtype::Scalar;
use crate::error::Result;
use crate::number::Rounding;
use crate::number::native::{Native, cast_items};
use crate::spec::ChunkSpec;

struct Quantize {
    scale: f64,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["digits", "dtype", "astype"])?;
    let digits = document.get("digits").and_then(Value::as_f64);
    let scale = digits.map(scale).filter(|scale| scale.is_finite() && *scale > 0.0);
    let scale = scale.ok_or_else(|| document.invalid("digits", "a number of digits that floats have"))?;
    let pair = Pair::parse(document, spec, "dtype", "astype")?;
    let floats = pair.lanes == 1 && pair.from.is_float() && pair.to.is_float();
    let loops = floats.then(|| floats_of(&pair)).flatten();
    pair.stage(document, spec, Quantize { scale }, loops)
}

fn floats_of(pair: &Pair) -> Option<super::filter::Loops<Quantize>> {
    match (pair.from, pair.to) {
        (Scalar::Bfloat16, _) | (_, Scalar::Bfloat16) => None,
        _ => loops!(with_number, pair, encode, decode),
    }
}

/// The power of two at which so many decimal digits are kept.
fn scale(digits: f64) -> f64 {
    let exponent = 10_f64.powf(-digits).log10();
    let exponent = if exponent < 0.0 {
        exponent.floor()
    } else {
        exponent.ceil()
    };
    2_f64.powf(10_f64.powf(-exponent).log2().ceil())
}

fn encode<S: Native, D: Native>(quantize: &Quantize, items: &[u8], out: &mut [u8]) -> Result<()> {
    let scale = S::from_f64(quantize.scale);
    for (out, &item) in D::items_mut(out).iter_mut().zip(S::items(items)) {
        let rounded = scale.times(S::get(item)).rounded(Rounding::NearestEven);
        *out = rounded.over(scale).cast::<D>().put();
    }
    Ok(())
}

fn decode<S: Native, D: Native>(_: &Quantize, items: &[u8], out: &mut [u8]) -> Result<()> {
    cast_items::<D, S>(items, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::filter::tests::{check, document, spec};
    use crate::codec::hostile::compile_error;
    use crate::dtype::Kind as Items;
    use crate::error::Kind;

    const KEYS: [&str; 2] = ["dtype", "astype"];

    #[test]
    fn known_values() {
        let double = Items::Real(Scalar::Float64);
        let bytes = |values: [f64; 4]| values.map(f64::to_ne_bytes).concat();
        let json = document("numcodecs.quantize", KEYS, double, double, json!({"digits": 1}));
        let want = bytes([0.125, 0.3125, 1.0, -0.5625]);
        check(
            compile,
            &json,
            &spec(double, 4, &[0; 8]),
            &bytes([0.111, 0.333, 1.0, -0.555]),
            &want,
            &want,
        );
    }

    #[test]
    fn what_cannot_be() {
        let (double, int64) = (Items::Real(Scalar::Float64), Items::Real(Scalar::Int64));
        for digits in [json!(400), json!(-400), json!("1"), json!(null)] {
            let json = document("numcodecs.quantize", KEYS, double, double, json!({"digits": digits}));
            let error = compile_error(compile, &json, &spec(double, 1, &[0; 8]));
            assert!(
                error.kind() == Kind::Metadata && error.detail().contains("digits"),
                "{error}"
            );
        }
        let json = document("numcodecs.quantize", KEYS, int64, int64, json!({"digits": 1}));
        let error = compile_error(compile, &json, &spec(int64, 1, &[0; 8]));
        assert!(error.detail().contains("int64"), "{error}");
    }
}
