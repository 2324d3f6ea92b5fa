"""Teachers: networks whose outputs train another one."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.network import Network, load_network
from evo_bnas.errors import UsageError
from evo_bnas.space.genes import Space

# Logits (batch, classes) of images; or the largest network of the supernet itself, with real weights
# (Lin et al., NAS-BNN, 2025).
Teacher = Callable[[Tensor], Tensor] | Literal["in-place"]


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL divergence of the student's classes from the teacher's: logits at temperature 1, mean over images.

    It stands for the whole loss: a student sees no labels, as in ReActNet (Liu et al., 2020) and NAS-BNN.
    """
    given, aim = F.log_softmax(student, 1), F.log_softmax(teacher, 1)
    return F.kl_div(given, aim, reduction="batchmean", log_target=True)


def load_teacher(path: Path, space: Space) -> Network:
    """The network in a file, to teach networks of a space.

    Nothing is asked about what it has learned from. A network that a run retrained has seen the labels of
    the search part: taught by it, a supernet scores that part too well, so the errors of its search are no
    estimate of errors on images that were never seen. The test part stays unseen.

    Raises UsageError where the file is none of a network, or of one for other images or classes.
    """
    network = load_network(path)
    first, *_, last = network.blueprint.nodes
    for what, found, asked in (
        ("images", first.shape, space.image),
        ("classes", last.shape[0], space.classes),
    ):
        if found != asked:
            raise UsageError(
                f"{path}: is a network for {_shown(found)} {what}, and {_shown(asked)} are asked for; "
                "name a network that was trained on the same data set"
            )
    return network


def _shown(size: int | tuple[int, ...]) -> str:
    return str(size) if isinstance(size, int) else "x".join(map(str, size))
