"""What changes in the sign's gradient while a training goes on."""

from dataclasses import replace

from evo_bnas.binary.execute import Mode

# Qin et al. (IR-Net, 2020): nearly all of the gradient passes at first, hardly any beside 0 at the end.
_FIRST_T, _LAST_T = 1e-3, 10.0


def annealed(mode: Mode, progress: float) -> Mode:
    """The mode at a share of the training, from 0 to 1: the steepness of tanh rises exponentially."""
    return replace(mode, t=_FIRST_T * (_LAST_T / _FIRST_T) ** progress)
