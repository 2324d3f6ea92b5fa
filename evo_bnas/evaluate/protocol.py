"""How a score was measured: everything that it depends on besides weights and architecture."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """What a score depends on besides weights and architecture; every score carries the hash."""

    data: str  # fingerprint of pixels, labels and split
    images: int  # number of scored images
    calibration: str  # hash of the calibration images
    batch: int  # images per forward pass, in calibration and scoring: it affects rounding
    threads: int
    device: str
    precision: str = "float32"
    backend: str = "torch"
    version: int = 1  # increment when the code measures differently
    host: str = ""  # the processor, if latency is measured

    @property
    def hash(self) -> str:
        """The hash for scores that are read from a supernet."""
        return _hash({name: value for name, value in asdict(self).items() if value != ""})

    def standalone_hash(self, training: Mapping[str, object]) -> str:
        """The hash for scores measured after a training with these settings (JSON values)."""
        return _hash({"protocol": asdict(self), "training": dict(training)})


def _hash(content: Mapping[str, object]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
