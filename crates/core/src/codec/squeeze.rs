//! `zarrs.squeeze`: the chunk without its axes of one item.
//!
//! <https://codec.zarrs.dev/array_to_array/squeeze>
//!
//! Names: `zarrs.squeeze`.
//!
//! ```json
//! {"name": "zarrs.squeeze"}
//! ```
//!
//! An experimental codec of zarrs. A chunk of a single item keeps one axis.

use super::{Document, Stage, reshape};
use crate::error::Result;
use crate::spec::ChunkSpec;

pub fn compile(document: &Document<'_>, spec: &ChunkSpec) -> Result<Stage> {
    document.only(&[])?;
    let mut shape: Vec<u64> = spec.shape.iter().copied().filter(|&length| length != 1).collect();
    if shape.is_empty() {
        shape.push(1);
    }
    reshape::stage(document, spec, shape)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::hostile::{compile_error, spec_of};
    use crate::scratch::Bytes;

    #[test]
    fn axes_of_one_item_go() {
        for (from, want) in [
            (&[4, 1, 3, 1, 2, 1][..], &[4, 3, 2][..]),
            (&[4, 3], &[4, 3]),
            (&[1, 1], &[1]),
            (&[], &[1]),
        ] {
            let json = json!({"name": "zarrs.squeeze"});
            let Stage::ArrayArray(codec) = compile(&Document::parse(&json).unwrap(), &spec_of(from, 2)).unwrap() else {
                unreachable!()
            };
            assert_eq!(codec.encoded_spec().shape, want);
            assert_eq!(codec.name(), "zarrs.squeeze");
            assert_eq!(codec.to_json(), json);
            let items = vec![7; 2 * from.iter().product::<u64>() as usize];
            assert_eq!(*codec.encode(Bytes::Borrowed(&items)).unwrap(), items);
        }
    }

    #[test]
    fn it_has_no_configuration() {
        let json = json!({"name": "zarrs.squeeze", "configuration": {"axis": 0}});
        let error = compile_error(compile, &json, &spec_of(&[1, 4], 2));
        assert!(error.detail().contains("axis"), "{error}");
    }
}
