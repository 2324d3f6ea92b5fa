"""Number formats of training; scores are always computed in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which operations run in bfloat16, if that is the precision; weights stay float32."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
