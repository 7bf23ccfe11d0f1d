//! Arbitrary documents of codecs: each is refused with an error, or is a chain whose own documents make it again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use zarrpipe_core::chain::Chain;
use zarrpipe_core::codec::Stage;
use zarrpipe_core::dtype::{Kind, Layout, SwapRun};
use zarrpipe_core::error::Error;
use zarrpipe_core::limits;
use zarrpipe_core::spec::ChunkSpec;

fn spec() -> ChunkSpec {
    let run = SwapRun {
        offset: 0,
        nbytes: 4,
        count: 1,
    };
    let layout = Layout::new(Kind::Opaque, 4, vec![run]).expect("a layout");
    ChunkSpec::new(vec![8, 6], layout, &[0; 4]).expect("a spec")
}

fn unknown(json: &Value, _: &ChunkSpec) -> Result<Stage, Error> {
    Err(Error::unsupported(json.to_string()))
}

fuzz_target!(|input: &[u8]| {
    let Ok(Value::Array(documents)) = serde_json::from_slice(input) else {
        return;
    };
    limits::set_max_chunk_nbytes(1 << 20);
    let Ok(chain) = Chain::compile(&documents, spec(), 0, &unknown) else {
        return;
    };
    let documents = |chain: &Chain| -> Vec<Value> { chain.stages().map(|stage| stage.codec().to_json()).collect() };
    let written = documents(&chain);
    let again = Chain::compile(&written, spec(), 0, &unknown).unwrap_or_else(|e| panic!("{written:?}: {e}"));
    assert_eq!(documents(&again), written);
});
