"""LinearSR: photo-realistic super-resolution with linear attention.

    import linearsr
    linearsr.upscale("photo.jpg", "large.png")

Importing this package does not import torch; the first use does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["LinearSRError", "SRPipeline", "UpscaleRequest", "__version__", "upscale"]

from linearsr.errors import LinearSRError
from linearsr.request import UpscaleRequest

if TYPE_CHECKING:
    from linearsr.api import upscale
    from linearsr.pipeline import SRPipeline


def __getattr__(name: str) -> Any:
    if name == "upscale":
        from linearsr.api import upscale

        return upscale
    if name == "SRPipeline":
        from linearsr.pipeline import SRPipeline

        return SRPipeline
    raise AttributeError(f"module 'linearsr' has no attribute {name!r}")
