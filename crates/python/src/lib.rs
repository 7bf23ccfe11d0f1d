//! `zarrpipe._core`: the binding of zarrpipe-core to Python.

mod batch;
mod buffer;
mod chain;
mod engine;
mod error;
mod fields;
mod index;
mod picks;
mod pycodec;
mod pystore;
mod rules;
mod run;
mod selection;
mod variable;

use pyo3::prelude::*;

/// Takes over the settings of `zarrpipe.config`.
#[pyfunction]
#[pyo3(signature = (*, threads, io_requests, max_chunk_nbytes, verify_checksums, conflict_retries))]
fn configure(threads: usize, io_requests: usize, max_chunk_nbytes: u64, verify_checksums: bool, conflict_retries: u32) {
    pystore::set_conflict_retries(conflict_retries);
    zarrpipe_core::engine::pool::set_threads(threads);
    run::set_io_requests(io_requests);
    zarrpipe_core::limits::set_max_chunk_nbytes(max_chunk_nbytes);
    zarrpipe_core::limits::set_verify_checksums(verify_checksums);
}

/// For `os.register_at_fork(after_in_child=...)`.
#[pyfunction]
fn after_fork() {
    zarrpipe_core::engine::pool::after_fork();
}

/// For `atexit`: workers end before the interpreter does.
#[pyfunction]
fn close() {
    zarrpipe_core::engine::pool::close();
}

/// What a stream of pcodec says of itself.
#[pyfunction]
fn pcodec_announced(data: &Bound<'_, PyAny>) -> PyResult<Option<(&'static str, usize)>> {
    let bytes = buffer::bytes(data)?;
    let announced = zarrpipe_core::codec::pcodec::announced(&bytes)
        .map_err(|error| error::to_python(data.py(), error.in_codec("numcodecs.pcodec", 0), None))?;
    Ok(announced.map(|(scalar, count)| (scalar.name(), count)))
}

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<chain::PyChain>()?;
    module.add_class::<chain::PyStage>()?;
    module.add_class::<pystore::PyStore>()?;
    module.add_class::<pystore::Lock>()?;
    module.add_class::<engine::PyEngine>()?;
    module.add_class::<engine::PySelection>()?;
    module.add_class::<engine::PyAssignment>()?;
    module.add_class::<run::Run>()?;
    module.add_class::<buffer::Owned>()?;
    module.add_function(wrap_pyfunction!(configure, module)?)?;
    module.add_function(wrap_pyfunction!(pcodec_announced, module)?)?;
    module.add_function(wrap_pyfunction!(batch::batch_read, module)?)?;
    module.add_function(wrap_pyfunction!(batch::batch_write, module)?)?;
    module.add_function(wrap_pyfunction!(variable::pack_items, module)?)?;
    module.add_function(wrap_pyfunction!(variable::unpack_items, module)?)?;
    let at_fork = pyo3::types::PyDict::new(py);
    at_fork.set_item("after_in_child", wrap_pyfunction!(after_fork, module)?)?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        os.call_method("register_at_fork", (), Some(&at_fork))?;
    }
    py.import("atexit")?
        .call_method1("register", (wrap_pyfunction!(close, module)?,))?;
    Ok(())
}
