"""How a score was measured: everything besides weights and genes that it depends on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """What a score depends on besides weights and genes; every score carries its hash."""

    data: str  # fingerprint of pixels, labels and split
    images: int  # scored
    calibration: str  # hash of the calibration images
    batch: int  # images per forward pass, in calibration and scoring: it affects rounding
    threads: int
    device: str
    precision: str = "float32"
    backend: str = "torch"
    version: int = 1  # raised when the code measures differently
    host: str = ""  # the processor, if latency is measured

    @property
    def hash(self) -> str:
        """The hash of a score read from a supernet."""
        return _hash({name: value for name, value in asdict(self).items() if value != ""})

    def stand_alone_hash(self, training: Mapping[str, object]) -> str:
        """The hash of a score after a training with these settings (JSON values)."""
        return _hash({"conditions": asdict(self), "training": dict(training)})


def _hash(content: Mapping[str, object]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
