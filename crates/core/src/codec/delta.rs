//! `numcodecs.delta`: the first item, then each one's difference to the one before it.
//!
//! <https://numcodecs.readthedocs.io/en/stable/filter/delta.html>
//!
//! Names: `numcodecs.delta`.
//!
//! ```json
//! {"name": "numcodecs.delta", "configuration": {"dtype": "<i4", "astype": "<i2"}}
//! ```
//!
//! Items are in C order over all axes. Differences are those of `dtype`, in which integers wrap; and so are sums of
//! integers, of which numcodecs takes floats where the two types have no integer in common, and then loses bits. Sums of
//! floats are those of the type that NumPy gives the two.
//!
//! Bound: `dtype` and `astype`, the layouts of these.

use super::filter::{Pair, loops};
use super::{Document, Stage};
use crate::dtype::Scalar;
use crate::error::Result;
use crate::number::native::Native;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["dtype", "astype"])?;
    let pair = Pair::parse(document, spec, "dtype", "astype")?;
    let (lanes, loops) = (pair.lanes, loops!(with_number, pair, differences, sums));
    pair.stage(document, spec, lanes, loops)
}

fn differences<S: Native, D: Native>(&lanes: &usize, items: &[u8], out: &mut [u8]) -> Result<()> {
    let (items, out) = (S::items(items), D::items_mut(out));
    let (Some(items_behind), Some((first, rest))) = (items.get(lanes..), out.split_at_mut_checked(lanes)) else {
        return Ok(());
    };
    for (out, &item) in first.iter_mut().zip(items) {
        *out = S::get(item).cast::<D>().put();
    }
    for ((out, &item), &before) in rest.iter_mut().zip(items_behind).zip(items) {
        *out = S::get(item).minus(S::get(before)).cast::<D>().put();
    }
    Ok(())
}

fn sums<S: Native, D: Native>(lanes: &usize, items: &[u8], out: &mut [u8]) -> Result<()> {
    match sum_type(S::SCALAR, D::SCALAR) {
        Scalar::Float64 => sums_as::<S, D, f64>(*lanes, items, out),
        Scalar::Float32 => sums_as::<S, D, f32>(*lanes, items, out),
        _ => sums_as::<S, D, S>(*lanes, items, out),
    }
    Ok(())
}

/// What sums for items of a type are taken in, where differences have another.
fn sum_type(items: Scalar, differences: Scalar) -> Scalar {
    let nbytes = match differences.nbytes() {
        _ if items.is_int() => return items,
        // The float that has all integers of so many bytes, or the largest there is.
        nbytes if differences.is_int() => (2 * nbytes).min(8),
        nbytes => nbytes,
    };
    match nbytes.max(items.nbytes()) {
        8 => Scalar::Float64,
        4 => Scalar::Float32,
        _ => items,
    }
}

fn sums_as<S: Native, D: Native, W: Native>(lanes: usize, items: &[u8], out: &mut [u8]) {
    // No item has more components.
    let mut sums = [W::default(); 2];
    let mut first = true;
    for (out, items) in S::items_mut(out)
        .chunks_exact_mut(lanes)
        .zip(D::items(items).chunks_exact(lanes))
    {
        for ((out, &item), sum) in out.iter_mut().zip(items).zip(&mut sums) {
            let item: W = D::get(item).cast();
            // Not added to zero: that would lose the sign of a negative one.
            *sum = if first { item } else { sum.plus(item) };
            *out = sum.cast::<S>().put();
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::filter::tests::{check, document, spec};
    use crate::dtype::Kind as Items;

    #[test]
    fn differences_of_their_own_type_and_another() {
        let items: Vec<u8> = [100_i16, 102, -5, i16::MIN]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        let (int16, int8) = (Items::Real(Scalar::Int16), Items::Real(Scalar::Int8));
        let keys = ["dtype", "astype"];
        let spec = spec(int16, 4, &7_i16.to_ne_bytes());
        let same = document("numcodecs.delta", keys, int16, int16, json!({"dtype": "<i2"}));
        let want: Vec<u8> = [100_i16, 2, -107, -32763]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        check(compile, &same, &spec, &items, &want, &items);
        // What does not fit is lost, as it is with numcodecs.
        let narrow = document(
            "numcodecs.delta",
            keys,
            int16,
            int8,
            json!({"dtype": "<i2", "astype": "|i1"}),
        );
        let back: Vec<u8> = [100_i16, 102, -5, 0].iter().flat_map(|n| n.to_ne_bytes()).collect();
        check(compile, &narrow, &spec, &items, &[100, 2, -107_i8 as u8, 5], &back);
    }

    #[test]
    fn complex_numbers_by_component() {
        let items: Vec<u8> = [1.0_f32, 2.0, 4.0, 8.0].iter().flat_map(|n| n.to_ne_bytes()).collect();
        let want: Vec<u8> = [1.0_f32, 2.0, 3.0, 6.0].iter().flat_map(|n| n.to_ne_bytes()).collect();
        let complex = Items::Complex(Scalar::Float32);
        let json = document(
            "numcodecs.delta",
            ["dtype", "astype"],
            complex,
            complex,
            json!({"dtype": "<c8"}),
        );
        check(compile, &json, &spec(complex, 2, &[0; 8]), &items, &want, &items);
    }

    #[test]
    fn empty_chunks() {
        let int16 = Items::Real(Scalar::Int16);
        let json = document(
            "numcodecs.delta",
            ["dtype", "astype"],
            int16,
            int16,
            json!({"dtype": "<i2"}),
        );
        check(compile, &json, &spec(int16, 0, &[0; 2]), &[], &[], &[]);
    }
}
