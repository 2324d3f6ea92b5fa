"""The checkpoint of a training: one file, replaced atomically."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file

SECONDS_BETWEEN = 20.0


class Checkpoint:
    """The file of one training: step, weights and Adam's moments. Random state does not need saving."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last save."""
        return time.monotonic() - self._saved >= SECONDS_BETWEEN

    def save(self, step: int, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Replace the file."""
        state = {f"weights/{name}": parameter.detach() for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            # Adam has no moments for a tensor that no step has used yet.
            moments = optimizer.state.get(parameter, {})
            state |= {f"adam/{moment}/{name}": value for moment, value in moments.items()}
        self.write(step, state)
        self._saved = time.monotonic()

    def restore(self, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
        """Load weights and moments; returns the number of finished steps, or 0 without a file."""
        step, state = self.read()
        if not state:
            return 0
        moments: dict[str, dict[str, Tensor]] = {}
        weights: dict[str, Tensor] = {}
        for key, value in state.items():
            kind, _, name = key.partition("/")
            if kind == "weights":
                weights[name] = value
            else:
                moment, _, name = name.partition("/")
                moments.setdefault(name, {})[moment] = value
        self._check_names(parameters, weights, moments)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])
        for name, values in moments.items():
            device = parameters[name].device
            optimizer.state[parameters[name]] = {m: value.to(device) for m, value in values.items()}
        return step

    def write(self, step: int, state: Mapping[str, Tensor]) -> None:
        """Replace the file by the state after `step` steps."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        weights_file.write(self.path, "checkpoint", state, {"step": str(step)})

    def read(self) -> tuple[int, dict[str, Tensor]]:
        """The number of finished steps and the state after them; 0 and an empty state without a file."""
        if not self.path.exists():
            return 0, {}
        state, header = weights_file.read(self.path, "checkpoint")
        return self._step(header), state

    def remove(self) -> None:
        """Delete the file once the training's result is saved."""
        self.path.unlink(missing_ok=True)

    def _step(self, header: Mapping[str, str]) -> int:
        step = header.get("step", "")
        if not step.isdecimal():
            raise UsageError(f"{self.path}: has no step count; delete it to start the training again")
        return int(step)

    def _check_names(
        self, parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor], moments: Iterable[str]
    ) -> None:
        for name in sorted({*parameters, *weights, *moments}):
            expected = parameters[name].shape if name in parameters else None
            if name not in weights or weights[name].shape != expected:
                raise UsageError(
                    f"{self.path}: belongs to another training: {name} does not match; "
                    "delete it to start the training again"
                )
