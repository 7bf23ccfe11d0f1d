//! What the array filters of numcodecs share: two data types, and a loop for each pair of them.
//!
//! A filter names the data type of its items and that of what they become. The byte order in these names does not
//! matter here, as items are in that of the host. The fill value behind a filter is the value that it was, in the other
//! data type: that is what zarr-python takes it for, and so what shards lack that it wrote.

use super::computed::{self, Compute, bound_layout, unsupported};
use super::{Document, Stage};
use crate::dtype::{Layout, Scalar};
use crate::error::{Error, Result};
use crate::spec::ChunkSpec;

/// Items to the other data type, or back.
pub type Loop<P> = fn(&P, &[u8], &mut [u8]) -> Result<()>;

pub struct Loops<P> {
    pub encode: Loop<P>,
    pub decode: Loop<P>,
    /// By the rules of NumPy.
    pub cast: fn(&[u8], &mut [u8]),
}

pub struct Filter<P> {
    loops: Loops<P>,
    parameters: P,
}

impl<P: Send + Sync + 'static> Compute for Filter<P> {
    fn encode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        (self.loops.encode)(&self.parameters, items, out)
    }

    fn decode(&self, items: &[u8], out: &mut [u8]) -> Result<()> {
        (self.loops.decode)(&self.parameters, items, out)
    }
}

/// The data types of a filter.
pub struct Pair {
    layouts: [Layout; 2],
    pub from: Scalar,
    pub to: Scalar,
    /// Components of an item: two of a complex number.
    pub lanes: usize,
}

impl Pair {
    /// From the members `decoded` and `encoded`, which the caller has resolved to layouts. The first must be as large
    /// as the items are, since they are taken for it.
    pub fn parse(document: &Document<'_>, spec: &ChunkSpec, decoded: &str, encoded: &str) -> Result<Self> {
        let layouts = [bound_layout(document, decoded)?, bound_layout(document, encoded)?];
        let (found, named) = (spec.layout.item_nbytes, layouts[0].item_nbytes);
        if found != named {
            let error = Error::metadata(format!("{decoded:?} has items of {named} bytes, the chunk of {found}"));
            return Err(error.under(&format!("/configuration/{decoded}")));
        }
        match layouts.each_ref().map(|layout| layout.kind.components()) {
            [Some((from, lanes)), Some((to, others))] if lanes == others => Ok(Pair {
                layouts,
                from,
                to,
                lanes,
            }),
            _ => Err(Error::metadata(format!(
                "{} does not turn {} into {}",
                document.name,
                layouts[0].kind.name(),
                layouts[1].kind.name()
            ))),
        }
    }

    /// The stage with these loops; none where the filter has none for the pair.
    pub fn stage<P: Send + Sync + 'static>(
        self,
        document: &Document<'_>,
        spec: &ChunkSpec,
        parameters: P,
        loops: Option<Loops<P>>,
    ) -> Result<Stage> {
        let [decoded, encoded] = self.layouts;
        let Some(loops) = loops else {
            return Err(unsupported(document, &decoded));
        };
        let mut fill_value = vec![0; encoded.item_nbytes];
        (loops.cast)(&spec.fill_value, &mut fill_value);
        computed::stage(document, spec, encoded, &fill_value, Filter { loops, parameters })
    }
}

/// The functions `encode` and `decode` for a pair of data types that `$with` knows; each is generic over the two.
macro_rules! loops {
    ($with:ident, $pair:expr, $encode:ident, $decode:ident) => {
        $crate::number::dispatch::$with!($pair.from, S => $crate::number::dispatch::$with!($pair.to, D => Some(
            $crate::codec::filter::Loops {
                encode: $encode::<S, D>,
                decode: $decode::<S, D>,
                cast: $crate::number::native::cast_items::<S, D>,
            }
        ), _ => None), _ => None)
    };
}
pub(super) use loops;

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::ArrayArrayCodec;
    use crate::codec::hostile::compile_error;
    use crate::dtype::Kind as Items;
    use crate::error::Kind;
    use crate::scratch::Bytes;

    pub type Compile = fn(&Document<'_>, &ChunkSpec) -> Result<Stage>;

    fn layout_json(kind: Items) -> Value {
        let layout = Layout::of(kind).unwrap();
        let run = |run: &crate::dtype::SwapRun| json!([run.offset, run.nbytes, run.count]);
        let runs: Vec<Value> = layout.swap_runs.iter().map(run).collect();
        json!([kind.name(), layout.item_nbytes, runs])
    }

    /// The document with the layouts of `from` and `to` bound to the two keys.
    pub fn document(name: &str, keys: [&str; 2], from: Items, to: Items, rest: Value) -> Value {
        let mut configuration = rest;
        configuration[format!("zarrpipe:{}", keys[0])] = layout_json(from);
        configuration[format!("zarrpipe:{}", keys[1])] = layout_json(to);
        json!({"name": name, "configuration": configuration})
    }

    pub fn spec(kind: Items, items: usize, fill_value: &[u8]) -> ChunkSpec {
        ChunkSpec::new(vec![items as u64], Layout::of(kind).unwrap(), fill_value).unwrap()
    }

    pub fn codec(compile: Compile, json: &Value, spec: &ChunkSpec) -> std::sync::Arc<dyn ArrayArrayCodec> {
        match compile(&Document::parse(json).unwrap(), spec).unwrap() {
            Stage::ArrayArray(codec) => codec,
            _ => unreachable!(),
        }
    }

    /// Encodes to `want`, and decodes to `back`.
    pub fn check(compile: Compile, json: &Value, spec: &ChunkSpec, items: &[u8], want: &[u8], back: &[u8]) {
        let codec = codec(compile, json, spec);
        let encoded = codec.encode(Bytes::Borrowed(items)).unwrap();
        assert_eq!(*encoded, *want);
        assert_eq!(*codec.decode(encoded).unwrap(), *back);
    }

    #[test]
    fn pairs_that_cannot_be() {
        let compile: Compile = crate::codec::delta::compile;
        let real = Items::Real;
        let refused = |from, to, spec: &ChunkSpec| {
            let json = document("numcodecs.delta", ["dtype", "astype"], from, to, json!({}));
            let error = compile_error(compile, &json, spec);
            assert_eq!(error.kind(), Kind::Metadata);
            (error.place().to_owned(), error.detail().to_owned())
        };
        let ints = spec(real(Scalar::Int32), 1, &[0; 4]);
        let (place, detail) = refused(real(Scalar::Int16), real(Scalar::Int16), &ints);
        assert!(
            place == "/configuration/dtype" && detail.contains("2 bytes"),
            "{place} {detail}"
        );
        let (_, detail) = refused(real(Scalar::Int32), Items::Complex(Scalar::Float32), &ints);
        assert!(detail.contains("complex:float32"), "{detail}");
        let bools = spec(real(Scalar::Bool), 1, &[0]);
        let (_, detail) = refused(real(Scalar::Bool), real(Scalar::Bool), &bools);
        assert!(detail.contains("bool"), "{detail}");
    }

    #[test]
    fn wrong_lengths() {
        let ints = spec(Items::Real(Scalar::Int32), 2, &[0; 4]);
        let json = document(
            "numcodecs.delta",
            ["dtype", "astype"],
            Items::Real(Scalar::Int32),
            Items::Real(Scalar::Int8),
            json!({}),
        );
        let codec = codec(crate::codec::delta::compile, &json, &ints);
        assert_eq!(
            codec.decode(Bytes::Borrowed(&[0])).err().unwrap().kind(),
            Kind::Truncated
        );
        assert_eq!(codec.decode(Bytes::Borrowed(&[0; 3])).err().unwrap().kind(), Kind::Size);
        assert_eq!(
            codec.encode(Bytes::Borrowed(&[0; 12])).err().unwrap().kind(),
            Kind::Size
        );
    }
}
