"""A ranking check that kills itself: `python -m tests.support.ranking_driver MOMENT ARGUMENTS…`."""

import sys

from evo_bnas import cli
from evo_bnas.evaluate.standalone import StandaloneEvaluator
from evo_bnas.train import checkpoint, network
from tests.support.run_driver import dying_at


def between_networks() -> None:
    StandaloneEvaluator.__call__ = dying_at(2, StandaloneEvaluator.__call__)  # type: ignore[method-assign]


def inside_a_training() -> None:
    # Two epochs of 33 steps per network: these are the first four of the second one.
    checkpoint.SECONDS_BETWEEN = 0.0
    network.F.cross_entropy = dying_at(70, network.F.cross_entropy)


MOMENTS = {moment.__name__: moment for moment in (between_networks, inside_a_training)}

if __name__ == "__main__":
    MOMENTS[sys.argv[1]]()
    sys.argv = ["evo-bnas", *sys.argv[2:]]
    cli.main()
