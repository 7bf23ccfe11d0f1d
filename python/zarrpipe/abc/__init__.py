"""The contract: the classes that codecs, stores and pipelines are written against.

The names and signatures are those of `zarr.abc`; a codec ports by changing its imports. Nothing here imports the Rust
extension.
"""
