//! `numcodecs.astype`: another data type, by NumPy's conversion.
//!
//! <https://numcodecs.readthedocs.io/en/stable/filter/astype.html>
//!
//! Names: `numcodecs.astype`.
//!
//! ```json
//! {"name": "numcodecs.astype", "configuration": {"encode_dtype": "<f4", "decode_dtype": "<f8"}}
//! ```
//!
//! Nothing is refused: integers wrap, floats lose their fraction.
//!
//! Bound: `encode_dtype` and `decode_dtype`, the layouts of these.

use super::filter::{Pair, loops};
use super::{Document, Stage};
use crate::error::Result;
use crate::number::native::{Native, cast_items};
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["encode_dtype", "decode_dtype"])?;
    let pair = Pair::parse(document, spec, "decode_dtype", "encode_dtype")?;
    let loops = loops!(with_native, pair, encode, decode);
    pair.stage(document, spec, (), loops)
}

fn encode<S: Native, D: Native>((): &(), items: &[u8], out: &mut [u8]) -> Result<()> {
    cast_items::<S, D>(items, out);
    Ok(())
}

fn decode<S: Native, D: Native>((): &(), items: &[u8], out: &mut [u8]) -> Result<()> {
    cast_items::<D, S>(items, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::filter::tests::{check, codec, document, spec};
    use crate::dtype::{Kind as Items, Scalar};

    #[test]
    fn fractions_are_lost() {
        let (double, int8) = (Items::Real(Scalar::Float64), Items::Real(Scalar::Int8));
        let items: Vec<u8> = [1.75_f64, -1.75, 127.5, 300.0]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        let back: Vec<u8> = [1.0_f64, -1.0, 127.0, 44.0]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        let json = document(
            "numcodecs.astype",
            ["decode_dtype", "encode_dtype"],
            double,
            int8,
            json!({}),
        );
        let spec = spec(double, 4, &(-3.5_f64).to_ne_bytes());
        check(compile, &json, &spec, &items, &[1, 255, 127, 44], &back);
        assert_eq!(codec(compile, &json, &spec).encoded_spec().fill_value[..], [253]);
    }
}
