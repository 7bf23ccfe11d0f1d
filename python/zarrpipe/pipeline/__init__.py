"""The `CodecPipeline` of the contract, on the engine."""

from zarrpipe.pipeline.engine_pipeline import ZarrPipeline

__all__ = ["ZarrPipeline"]
