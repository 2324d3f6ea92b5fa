"""What `evo-bnas ranking` prints: how well the supernet ranks networks, compared with ops alone."""

from dataclasses import asdict
from typing import Any

from evo_bnas.archive.ranking import Estimate
from evo_bnas.cli.console import print_table, say
from evo_bnas.quantity import show
from evo_bnas.run.folder import Run
from evo_bnas.run.results import RankingResults

# With fewer networks a bootstrap percentile interval is too narrow.
_FEW = 20


def print_ranking(run: Run, results: RankingResults, requested: int) -> None:
    """Tables, what they mean, and where the files are; `requested` is the number of networks asked for."""
    agreement = results.agreement
    rankings = (("the supernet", agreement.estimated), ("ops alone", agreement.ops))
    rows = [
        [name, *map(str, (by.tau, by.spearman, by.tau_in_bands)), *map(_points, by.regret.values())]
        for name, by in rankings
    ]
    regrets = [f"regret of top {k}" for k in agreement.estimated.regret]
    print_table(["ranked by", "tau", "Spearman", "tau in bands", *regrets], rows, left=["ranked by"])
    say()
    bands = [
        [f"{show(b.min_ops)} to {show(b.max_ops)}", str(b.networks), str(b.tau)] for b in agreement.bands
    ]
    print_table(["band of ops", "networks", "tau of the supernet"], bands, left=["band of ops"])
    say("\n" + "\n".join(_sentences(results)))
    if agreement.networks < requested:
        say(
            f"{agreement.networks} of {requested} networks are compared: the space has no more, or some "
            f"failed; the reasons are in {run.ranking}."
        )
    say(f"table: {run.ranking_csv}\nfigure: {run.ranking_png}")


def row(run: Run, results: RankingResults) -> dict[str, Any]:
    """The ranking check as JSON values."""
    return {
        "space": run.space.name,
        "seeds": results.seeds,
        **asdict(results.agreement),
        "between_seeds": results.between_seeds,
        "rows": results.networks.to_dict("records"),
    }


def _sentences(results: RankingResults) -> list[str]:
    agreement, epochs = results.agreement, results.networks["epochs"].iloc[0]
    lines = [
        f"{agreement.networks} networks, each trained alone for {epochs} epochs with {results.seeds} "
        f"seed{'s' if results.seeds > 1 else ''}; tau is Kendall's, with a 95 % interval over networks.",
        f"The supernet ranks {_compared(agreement.gain)}.",
        f"Among networks of about equal ops it ranks {_compared(agreement.gain_in_bands)}.",
        f"Its errors differ from those of the trained networks by {_points(agreement.mean_difference)} "
        "on average.",
    ]
    if results.between_seeds is not None:
        lines.append(f"Two trainings of the same networks agree with tau {results.between_seeds:.2f}.")
    if agreement.networks < _FEW:
        lines.append(f"With fewer than {_FEW} networks the intervals are too narrow.")
    return lines


def _compared(gain: Estimate) -> str:
    """What a gain in tau over ops alone means."""
    if gain.value is None:
        return "nothing, since all errors or all ops are equal"
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return f"about as well as ops alone: difference of tau {gain}, not significant"
    return f"{'better' if gain.low > 0 else 'worse'} than ops alone: difference of tau {gain}"


def _points(fraction: float) -> str:
    """A difference of errors in percentage points."""
    return f"{100 * fraction:.2f} pt"
