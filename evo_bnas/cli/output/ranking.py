"""What `evo-bnas ranking` prints: how well the supernet ranks networks, compared with ops alone."""

from dataclasses import asdict
from typing import Any

from evo_bnas.archive.ranking import Estimate
from evo_bnas.cli.console import print_table, say
from evo_bnas.quantity import show
from evo_bnas.run.folder import Run
from evo_bnas.run.results import RankingResults

# With fewer networks a percentile interval is known to be too narrow.
_FEW = 20


def print_ranking(run: Run, results: RankingResults, requested: int) -> None:
    """Tables, what they mean, and where the files are; `requested` is the number of networks asked for."""
    judged = results.agreement
    rows = [
        [name, str(one.tau), str(one.spearman), str(one.tau_in_bands), *map(_points, one.regret.values())]
        for name, one in (("the supernet", judged.estimated), ("ops alone", judged.ops))
    ]
    regrets = [f"regret of top {k}" for k in judged.estimated.regret]
    print_table(["ranked by", "tau", "Spearman", "tau in bands", *regrets], rows, left=["ranked by"])
    say()
    bands = [[f"{show(b.min_ops)} to {show(b.max_ops)}", str(b.networks), str(b.tau)] for b in judged.bands]
    print_table(["band of ops", "networks", "tau of the supernet"], bands, left=["band of ops"])
    say("\n" + "\n".join(_sentences(results)))
    if judged.networks < requested:
        say(
            f"{judged.networks} of {requested} networks are compared: the space has no more, or some "
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
    judged, epochs = results.agreement, results.networks["epochs"].iloc[0]
    lines = [
        f"{judged.networks} networks, each trained alone for {epochs} epochs with {results.seeds} "
        f"seed{'s' if results.seeds > 1 else ''}; tau is Kendall's, with its 95 % interval over networks.",
        f"The supernet ranks {_compared(judged.gain)}.",
        f"Within bands of about the same ops it ranks {_compared(judged.gain_in_bands)}.",
        f"Its errors are {_points(judged.mean_difference)} from those of the trained networks, on average.",
    ]
    if results.between_seeds is not None:
        lines.append(f"Two trainings of the same networks agree with tau {results.between_seeds:.2f}.")
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
