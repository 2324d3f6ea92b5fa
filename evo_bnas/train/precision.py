"""The number format of training; scores are always computed in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def training_format(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Autocast to bfloat16 where the run says so."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
