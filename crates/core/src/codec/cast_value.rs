//! `cast_value`: the values of another data type, rounded and brought into range as configured.
//!
//! <https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/cast_value>
//!
//! Names: `cast_value`.
//!
//! ```json
//! {"name": "cast_value", "configuration": {"data_type": "int16", "rounding": "nearest-even", "out_of_range": "clamp",
//!  "scalar_map": {"encode": [["NaN", -32768]], "decode": [[-32768, "NaN"]]}}}
//! ```
//!
//! In this order a value is mapped, taken as it is where it can be, rounded and brought into range, or refused. Decoding
//! does the same the other way round. NaN and the infinities are refused by a data type that has none, clamping or not.
//! Negative zero becomes zero where it has no sign. For `float8_e8m0fnu`, powers of two, what is not positive is below
//! the range.
//!
//! Bound: `layout`, the data type's; `encode` and `decode`, the maps as pairs of items.

use serde_json::Value;

use super::computed::{self, Compute, bound_layout, is_unfilled, parse_item, real};
use super::{Document, Stage};
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::number::cast::{Cast, Mapped, OutOfRange};
use crate::number::{Rounding, item_bits, put_item};
use crate::spec::ChunkSpec;

struct CastValue {
    encode: Cast,
    decode: Cast,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["data_type", "rounding", "out_of_range", "scalar_map"])?;
    let from = real(document, &spec.layout)?;
    let layout = bound_layout(document, "layout")?;
    let to = real(document, &layout).map_err(|error| error.under("/configuration/data_type"))?;
    let rounding = parse_rounding(document)?;
    let out_of_range = parse_out_of_range(document, to)?;
    let codec = CastValue {
        encode: Cast::new(
            from,
            to,
            rounding,
            out_of_range,
            parse_map(document, "encode", from, to)?,
        ),
        decode: Cast::new(
            to,
            from,
            rounding,
            out_of_range,
            parse_map(document, "decode", to, from)?,
        ),
    };
    let mut fill_value = vec![0; layout.item_nbytes];
    if !is_unfilled(document) {
        put_item(codec.cast_fill(item_bits(&spec.fill_value), from)?, &mut fill_value);
    }
    computed::stage(document, spec, layout, &fill_value, codec)
}

fn parse_rounding(document: &Document<'_>) -> Result<Rounding> {
    match document.get("rounding").map(Value::as_str) {
        None | Some(Some("nearest-even")) => Ok(Rounding::NearestEven),
        Some(Some("towards-zero")) => Ok(Rounding::TowardsZero),
        Some(Some("towards-positive")) => Ok(Rounding::TowardsPositive),
        Some(Some("towards-negative")) => Ok(Rounding::TowardsNegative),
        Some(Some("nearest-away")) => Ok(Rounding::NearestAway),
        _ => Err(document.invalid("rounding", "one of the ways of rounding")),
    }
}

fn parse_out_of_range(document: &Document<'_>, to: Scalar) -> Result<OutOfRange> {
    match document.get("out_of_range").map(Value::as_str) {
        None => Ok(OutOfRange::Refuse),
        Some(Some("clamp")) => Ok(OutOfRange::Clamp),
        Some(Some("wrap")) if to.is_int() => Ok(OutOfRange::Wrap),
        Some(Some("wrap")) => {
            let error = Error::metadata(format!("only integers wrap, {} does not", to.name()));
            Err(error.under("/configuration/out_of_range"))
        }
        _ => Err(document.invalid("out_of_range", "\"clamp\" or \"wrap\"")),
    }
}

fn parse_map(document: &Document<'_>, direction: &str, from: Scalar, to: Scalar) -> Result<Vec<Mapped>> {
    let pair = |json: &Value| match json.as_array()?.as_slice() {
        [key, value] => Some((parse_item(key, from)?, parse_item(value, to)?)),
        _ => None,
    };
    let Some(pairs) = document.bound(direction) else {
        return Ok(Vec::new());
    };
    let parsed = pairs.as_array().and_then(|pairs| pairs.iter().map(pair).collect());
    parsed.ok_or_else(|| document.invalid("scalar_map", "pairs of scalars"))
}

impl CastValue {
    /// The fill value when encoded; it must come back, or chunks that are not stored would read as something else.
    fn cast_fill(&self, fill: u64, scalar: Scalar) -> Result<u64> {
        let number = scalar.read(fill);
        let encoded = self.encode.bits(fill).ok();
        match encoded.map(|bits| (bits, self.decode.bits(bits))) {
            Some((bits, Ok(back))) if scalar.read(back).same(number) => Ok(bits),
            _ => Err(Error::metadata(format!(
                "the fill value {number} does not survive the cast and back"
            ))),
        }
    }
}

impl Compute for CastValue {
    fn encode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        self.encode.items(items, out)
    }

    fn decode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        self.decode.items(items, out)
    }
}
