"""N-dimensional arrays in Zarr, moved between NumPy and storage by codec pipelines in Rust."""
