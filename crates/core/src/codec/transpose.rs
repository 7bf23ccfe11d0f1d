//! `transpose`: the axes of the chunk in another order.
//!
//! <https://zarr-specs.readthedocs.io/en/latest/v3/codecs/transpose/index.html>
//!
//! Names: `transpose`.
//!
//! ```json
//! {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
//! ```
//!
//! With chunk A and its encoded form B, `B.shape[i] = A.shape[order[i]]`: axis `i` of B is axis `order[i]` of A.
//! The strings "C" and "F" of early drafts are not part of the specification and are refused.

use std::any::Any;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ArrayArrayCodec, Codec, Document, Expect, Stage};
use crate::error::{Error, Result};
use crate::scratch::{self, Bytes};
use crate::spec::ChunkSpec;

struct Transpose {
    order: Vec<usize>,
    decoded: ChunkSpec,
    encoded: ChunkSpec,
}

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&["order"])?;
    let order = parse_order(document, spec.rank())?;
    let shape = order.iter().map(|&axis| spec.shape[axis]).collect();
    let encoded = spec.with_shape(shape)?;
    Ok(Stage::ArrayArray(Arc::new(Transpose {
        order,
        decoded: spec.clone(),
        encoded,
    })))
}

fn parse_order(document: &Document<'_>, rank: usize) -> Result<Vec<usize>> {
    if let Some(Value::String(name)) = document.get("order") {
        return Err(Error::metadata(format!(
            "{}: \"order\" must be a list of integers, not {name:?}; the specification has no names for orders",
            document.name
        )));
    }
    permutation(document.get("order"), rank).ok_or_else(|| {
        document.invalid(
            "order",
            &format!("a permutation of the integers from 0 to below {rank}"),
        )
    })
}

fn permutation(order: Option<&Value>, rank: usize) -> Option<Vec<usize>> {
    let axes = order?.as_array().filter(|axes| axes.len() == rank)?;
    let mut seen = vec![false; rank];
    axes.iter()
        .map(|axis| {
            let axis = axis.as_u64().and_then(|n| usize::try_from(n).ok())?;
            let first = !std::mem::replace(seen.get_mut(axis)?, true);
            first.then_some(axis)
        })
        .collect()
}

impl Transpose {
    /// For each axis of the encoded chunk, the byte stride of that axis in the decoded one.
    fn encode_strides(&self) -> Vec<isize> {
        let strides = self.decoded.strides();
        self.order.iter().map(|&axis| strides[axis]).collect()
    }

    /// For each axis of the decoded chunk, the byte stride of that axis in the encoded one.
    fn decode_strides(&self) -> Vec<isize> {
        let mut strides = vec![0; self.order.len()];
        for (&axis, stride) in self.order.iter().zip(self.encoded.strides()) {
            strides[axis] = stride;
        }
        strides
    }

    fn is_identity(&self) -> bool {
        self.order.is_sorted()
    }

    /// `items`, gathered in C order of `shape` through strides that belong to `items`.
    fn gather<'a>(&self, items: Bytes<'a>, shape: &[u64], strides: &[isize]) -> Result<Bytes<'a>> {
        let nbytes = usize::try_from(self.decoded.nbytes()).map_err(|_| Error::memory(self.decoded.nbytes()))?;
        Expect::Exactly(nbytes).check(items.len())?;
        if self.is_identity() {
            return Ok(items);
        }
        let mut out = scratch::take(nbytes)?;
        match self.decoded.layout.item_nbytes {
            1 => gather_items::<1>(&items, &mut out, shape, strides),
            2 => gather_items::<2>(&items, &mut out, shape, strides),
            4 => gather_items::<4>(&items, &mut out, shape, strides),
            8 => gather_items::<8>(&items, &mut out, shape, strides),
            item_nbytes => gather_rows(shape, strides, |row, from, stride, extent| {
                let row_nbytes = extent * item_nbytes;
                let out_row = &mut out[row * row_nbytes..(row + 1) * row_nbytes];
                for (i, item) in out_row.chunks_exact_mut(item_nbytes).enumerate() {
                    item.copy_from_slice(&items[from + i * stride..][..item_nbytes]);
                }
            }),
        }
        Ok(out.into())
    }
}

/// Items of a size known to the compiler: each is one load and one store.
fn gather_items<const N: usize>(items: &[u8], out: &mut [u8], shape: &[u64], strides: &[isize]) {
    let out = out.as_chunks_mut::<N>().0;
    let items = items.as_chunks::<N>().0;
    gather_rows(shape, strides, |row, from, stride, extent| {
        for (i, item) in out[row * extent..(row + 1) * extent].iter_mut().enumerate() {
            *item = items[from / N + i * (stride / N)];
        }
    });
}

/// Calls `copy` for each row along the last axis: the row's number, its offset, its stride and its extent.
fn gather_rows(shape: &[u64], strides: &[isize], mut copy: impl FnMut(usize, usize, usize, usize)) {
    let (Some((&extent, outer)), Some((&stride, outer_strides))) = (shape.split_last(), strides.split_last()) else {
        return;
    };
    if shape.contains(&0) {
        return;
    }
    let rows: u64 = outer.iter().product();
    let mut position = vec![0; outer.len()];
    let mut from = 0_isize;
    for row in 0..rows as usize {
        copy(row, from as usize, stride as usize, extent as usize);
        for axis in (0..outer.len()).rev() {
            position[axis] += 1;
            from += outer_strides[axis];
            if position[axis] < outer[axis] {
                break;
            }
            position[axis] = 0;
            from -= outer_strides[axis] * outer[axis] as isize;
        }
    }
}

impl Codec for Transpose {
    fn name(&self) -> &str {
        "transpose"
    }

    fn to_json(&self) -> Value {
        json!({"name": "transpose", "configuration": {"order": self.order}})
    }

    fn takes_variable(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayArrayCodec for Transpose {
    fn encoded_spec(&self) -> &ChunkSpec {
        &self.encoded
    }

    fn encode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        self.gather(items, &self.encoded.shape, &self.encode_strides())
    }

    fn decode<'a>(&self, items: Bytes<'a>) -> Result<Bytes<'a>> {
        self.gather(items, &self.decoded.shape, &self.decode_strides())
    }

    fn permutation(&self) -> Option<&[usize]> {
        Some(&self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hostile::{compile_error, noise, spec_of};
    use crate::error::Kind;

    fn codec(order: &[usize], spec: &ChunkSpec) -> Arc<dyn ArrayArrayCodec> {
        let json = json!({"name": "transpose", "configuration": {"order": order}});
        match compile(&Document::parse(&json).unwrap(), spec).unwrap() {
            Stage::ArrayArray(codec) => codec,
            _ => unreachable!(),
        }
    }

    /// The definition, item by item: B[b] = A[a] where b[i] = a[order[i]].
    fn by_definition(items: &[u8], shape: &[u64], order: &[usize], item: usize) -> Vec<u8> {
        let encoded_shape: Vec<u64> = order.iter().map(|&axis| shape[axis]).collect();
        let mut out = Vec::new();
        for number in 0..encoded_shape.iter().product() {
            let (mut rest, mut a) = (number, vec![0; shape.len()]);
            for (&axis, &extent) in order.iter().zip(&encoded_shape).rev() {
                a[axis] = rest % extent;
                rest /= extent;
            }
            let at = a.iter().zip(shape).fold(0, |at, (&i, &extent)| at * extent + i) as usize;
            out.extend_from_slice(&items[at * item..(at + 1) * item]);
        }
        out
    }

    #[test]
    fn every_order_of_four_axes_agrees_with_the_definition() {
        let shape = [2, 3, 1, 4];
        for code in 0..256_usize {
            let order: Vec<usize> = (0..4).map(|i| (code >> (2 * i)) & 3).collect();
            if permutation(Some(&json!(order)), 4).is_none() {
                continue;
            }
            for item in [1, 2, 3, 4, 8, 16] {
                let items = noise(24 * item);
                let codec = codec(&order, &spec_of(&shape, item));
                let encoded = codec.encode(Bytes::Borrowed(&items)).unwrap();
                assert_eq!(&*encoded, by_definition(&items, &shape, &order, item));
                assert_eq!(&*codec.decode(encoded).unwrap(), items);
            }
        }
    }

    #[test]
    fn the_encoded_shape_follows_the_order() {
        let codec = codec(&[2, 0, 1], &spec_of(&[5, 6, 7], 2));
        assert_eq!(codec.encoded_spec().shape, [7, 5, 6]);
        assert_eq!(codec.permutation(), Some(&[2, 0, 1][..]));
        assert_eq!(
            codec.to_json(),
            json!({"name": "transpose", "configuration": {"order": [2, 0, 1]}})
        );
    }

    #[test]
    fn the_identity_copies_nothing() {
        let items = noise(24);
        let codec = codec(&[0, 1], &spec_of(&[2, 3], 4));
        assert_eq!(codec.encode(Bytes::Borrowed(&items)).unwrap().as_ptr(), items.as_ptr());
    }

    #[test]
    fn scalars_and_empty_chunks() {
        assert_eq!(
            &*codec(&[], &spec_of(&[], 4))
                .encode(Bytes::Borrowed(&[1, 2, 3, 4]))
                .unwrap(),
            [1, 2, 3, 4]
        );
        assert_eq!(
            codec(&[1, 0], &spec_of(&[0, 3], 4))
                .decode(Bytes::Borrowed(&[]))
                .unwrap()
                .len(),
            0
        );
        assert_eq!(
            codec(&[1, 0], &spec_of(&[3, 0], 4))
                .decode(Bytes::Borrowed(&[]))
                .unwrap()
                .len(),
            0
        );
    }

    #[test]
    fn wrong_lengths() {
        let codec = codec(&[1, 0], &spec_of(&[2, 3], 4));
        assert_eq!(
            codec.decode(Bytes::Borrowed(&[0; 23])).err().unwrap().kind(),
            Kind::Truncated
        );
        assert_eq!(
            codec.encode(Bytes::Borrowed(&[0; 25])).err().unwrap().kind(),
            Kind::Size
        );
    }

    #[test]
    fn wrong_orders_name_the_member() {
        let wrong = [
            json!({}),
            json!({"order": "F"}),
            json!({"order": "C"}),
            json!({"order": [0]}),
            json!({"order": [0, 0]}),
            json!({"order": [0, 2]}),
            json!({"order": [1, -1]}),
            json!({"order": [1.0, 0.0]}),
            json!({"order": [true, false]}),
            json!({"order": [0, 1, 2]}),
            json!({"order": null}),
        ];
        for configuration in wrong {
            let json = json!({"name": "transpose", "configuration": configuration});
            let error = compile_error(compile, &json, &spec_of(&[2, 3], 4));
            assert_eq!(error.kind(), Kind::Metadata);
            assert!(error.detail().contains("\"order\""), "{error}");
        }
    }
}
