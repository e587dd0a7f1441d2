"""Lets torchvision be imported beside a torch whose build its compiled part does not fit.

Copied into the site-packages of the vLLM lane's own virtual environment, and imported there at every start
by a `.pth` file, because vLLM starts processes of its own. Nothing of the product needs it.

torchvision's Python part only wants the names of two operators to exist; nobody here calls them.
"""

from __future__ import annotations

import sys
from typing import Any

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class BeforeTorchvision:
    """Declares the operators when torchvision is about to be imported; torch is too slow for every start."""

    kept: Any = None
    """The declaration lives as long as this object."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name != "torchvision" or BeforeTorchvision.kept is not None:
            return
        import torch

        BeforeTorchvision.kept = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            BeforeTorchvision.kept.define(operator)


sys.meta_path.insert(0, BeforeTorchvision())  # type: ignore[arg-type]
