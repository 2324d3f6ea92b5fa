"""Teachers: networks whose logits train the networks of a supernet."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.execute import BINARY, Mode
from evo_bnas.binary.network import Network, load_network
from evo_bnas.errors import UsageError
from evo_bnas.space.genes import Architecture, Space


class Pass(NamedTuple):
    """A network that is trained in a step; several may share the step.

    A network that teaches is trained first, with real weights, from the labels. The passes after it learn
    from its logits.
    """

    architecture: Architecture
    teaches: bool = False


class Plan(NamedTuple):
    """What the networks of a training step learn from."""

    passes: Sequence[Pass]
    target: Tensor | None = None  # logits (batch, classes) of a teacher; None: the labels


class Teacher(ABC):
    """Decides what the networks of a training step learn from."""

    @abstractmethod
    def plan(self, sampled: Sequence[Architecture], images: Tensor) -> Plan:
        """The passes of a step, given the sampled architectures and the images (b, channels, h, w)."""

    def to(self, device: torch.device) -> "Teacher":
        """The teacher on a device; a network is moved there."""
        return self


@dataclass(frozen=True, slots=True)
class NoTeacher(Teacher):
    """All networks learn from the labels."""

    def plan(self, sampled: Sequence[Architecture], images: Tensor) -> Plan:
        return Plan([Pass(architecture) for architecture in sampled])


@dataclass(frozen=True, slots=True)
class NetworkTeacher(Teacher):
    """All networks learn from the logits of a trained network."""

    network: Network
    mode: Mode = BINARY  # in which the teacher runs

    def plan(self, sampled: Sequence[Architecture], images: Tensor) -> Plan:
        with torch.no_grad():
            logits = self.network(images, self.mode)
        return Plan([Pass(architecture) for architecture in sampled], logits)

    def to(self, device: torch.device) -> Teacher:
        return NetworkTeacher(self.network.to(device), self.mode)


@dataclass(frozen=True, slots=True)
class InPlaceTeacher(Teacher):
    """The largest network of the supernet, with real weights, teaches the others (Lin et al., NAS-BNN, 2025).

    It is trained in the same step. If it was sampled together with others, as in a sandwich, it is not a
    student as well.
    """

    largest: Architecture

    def plan(self, sampled: Sequence[Architecture], images: Tensor) -> Plan:
        students = [architecture for architecture in sampled if architecture != self.largest] or sampled
        return Plan([Pass(self.largest, teaches=True), *map(Pass, students)])


NO_TEACHER = NoTeacher()


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL divergence between the classes predicted by teacher and student, from logits (batch, classes).

    At temperature 1, mean over images. It is the whole loss: a student does not see labels, as in ReActNet
    (Liu et al., 2020) and NAS-BNN.
    """
    predicted, target = F.log_softmax(student, 1), F.log_softmax(teacher, 1)
    return F.kl_div(predicted, target, reduction="batchmean", log_target=True)


def load_teacher(path: Path, space: Space) -> NetworkTeacher:
    """The network in a file, as a teacher for networks of a space.

    The images that it was trained on are not checked. A network that a run retrained has seen the labels of
    the search split: a supernet taught by it scores too well on that split, so the errors of its search do
    not estimate errors on unseen images. The test split remains unseen.

    Raises UsageError if the file does not hold a network, or if the network is for other images or classes.
    """
    network = load_network(path)
    first, *_, last = network.blueprint.nodes
    for what, actual, expected in (
        ("images", first.shape, space.image),
        ("classes", (last.shape[0],), (space.classes,)),
    ):
        if actual != expected:
            raise UsageError(
                f"{path}: is a network for {_by(actual)} {what}, but the space has {_by(expected)}; "
                "name a network that was trained on the same data set"
            )
    return NetworkTeacher(network)


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
