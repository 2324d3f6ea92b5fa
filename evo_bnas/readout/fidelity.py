"""What `evo-bnas fidelity` prints: how well the supernet ranks networks, beside ops alone."""

from dataclasses import asdict
from typing import Any

from evo_bnas.console import print_table, say
from evo_bnas.findings import Fidelity
from evo_bnas.quantity import show
from evo_bnas.results.fidelity import Estimate
from evo_bnas.run import Run

# With fewer networks a percentile interval is known to be too narrow.
_FEW = 20


def print_fidelity(run: Run, found: Fidelity, asked: int) -> None:
    """Figures, what they mean, and where they are; `asked` is for how many networks."""
    judged = found.agreement
    rows = [
        [name, str(one.tau), str(one.spearman), str(one.tau_in_bands), *map(_points, one.regret.values())]
        for name, one in (("the supernet", judged.estimated), ("ops alone", judged.ops))
    ]
    regrets = [f"regret of top {k}" for k in judged.estimated.regret]
    print_table(["ranked by", "tau", "Spearman", "tau in bands", *regrets], rows, words=["ranked by"])
    say()
    bands = [
        [f"{show(b.least_ops)} to {show(b.most_ops)}", str(b.networks), str(b.tau)] for b in judged.bands
    ]
    print_table(["band of ops", "networks", "tau of the supernet"], bands, words=["band of ops"])
    say("\n" + "\n".join(_sentences(found)))
    if judged.networks < asked:
        say(
            f"{judged.networks} of {asked} networks are compared: the space holds no more, or some failed as "
            f"{run.fidelity} tells."
        )
    say(f"table: {run.fidelity_csv}\nplot: {run.fidelity_png}")


def row(run: Run, found: Fidelity) -> dict[str, Any]:
    """A fidelity as JSON values."""
    return {
        "space": run.space.name,
        "seeds": found.seeds,
        **asdict(found.agreement),
        "between_seeds": found.between_seeds,
        "rows": found.networks.to_dict("records"),
    }


def _sentences(found: Fidelity) -> list[str]:
    judged, epochs = found.agreement, found.networks["epochs"].iloc[0]
    lines = [
        f"{judged.networks} networks, each trained alone for {epochs} epochs with {found.seeds} "
        f"seed{'s' if found.seeds > 1 else ''}; tau is Kendall's, with its 95 % interval over networks.",
        f"The supernet ranks {_compared(judged.gain)}.",
        f"Within bands of about the same ops it ranks {_compared(judged.gain_in_bands)}.",
        f"Its errors are {_points(judged.mean_difference)} from those of the trained networks, on average.",
    ]
    if found.between_seeds is not None:
        lines.append(f"Two trainings of the same networks agree with tau {found.between_seeds:.2f}.")
    if judged.networks < _FEW:
        lines.append(f"With fewer than {_FEW} networks the intervals are too narrow.")
    return lines


def _compared(gain: Estimate) -> str:
    """What a gain in tau over ops alone means."""
    if gain.value is None:
        return "nothing: all errors or all ops are equal"
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return f"neither surely better nor surely worse than ops alone: difference of tau {gain}"
    return f"{'better' if gain.low > 0 else 'worse'} than ops alone: difference of tau {gain}"


def _points(fraction: float) -> str:
    """An error's difference in points of top-1."""
    return f"{100 * fraction:.2f} pt"
