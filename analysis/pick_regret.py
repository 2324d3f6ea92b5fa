"""What a pick is worth: its test error after the final training, against simple rules, at equal CPU time.

Every method has the same CPU time for three budgets of ops together: supernet, search, confirming and final
trainings are all paid from it. The regret is the test error of the network that a method picks and trains,
minus the lowest test error of any network within the budget that any method trained.

    python -m analysis pick_regret --images FOLDER     CIFAR-10 at 16 x 16 pixels and digits
"""

import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from time import process_time
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from analysis.shared import small_images
from analysis.shared.markdown import table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.binary.network import Network
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Evaluator, InProcess
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.progress import silent
from evo_bnas.run import inputs
from evo_bnas.run.confirm import confirm
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining, short_training
from evo_bnas.run.results import Results
from evo_bnas.run.search import search
from evo_bnas.run.start import start
from evo_bnas.run.train import train
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search as search_loop
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from evo_bnas.train.settings import ConfirmSettings, RetrainSettings, TrainingSettings
from evo_bnas.train.stage import TrainingStage

_DIGITS = (8_000.0, 12_000.0, 20_000.0)  # budgets of ops
_DIGITS_SECONDS, _IMAGES_SECONDS = 150.0, 400.0  # of CPU time for all budgets

_DRAWN = 200  # networks from which the largest within a budget is sought
_MOST = 50  # random networks that are tried
_SHORT = 2  # epochs of a short training without a supernet
_LR_ALONE = 1e-2  # peak learning rate of a training from scratch
_WARM_UP, _TIMED = 320, 2_560  # images that measure the speed of a training


@dataclass(frozen=True, slots=True)
class Trial:
    """One method and one seed: for every budget the network and its test error; CPU seconds in all."""

    keys: list[str]
    ops: list[float]
    test_errors: list[float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Task:
    """What a method is given: a run that is confirmed, and how long its stages took."""

    run: Run
    budgets: Sequence[float]
    stages: Mapping[str, float]  # CPU seconds of each
    total: float  # CPU seconds for all budgets

    def share(self, *spent: str) -> float:
        """CPU seconds for each budget after the stages of these names; raises UsageError if none are left."""
        left = self.total - sum(self.stages[stage] for stage in spent)
        if left <= 0:
            raise UsageError(f"{self.total:g} CPU seconds are less than {', '.join(spent)} take; give more")
        return left / len(self.budgets)

    def problem(self, budget: float) -> Problem:
        """Networks within a budget."""
        return Problem(self.run.space, ("error", "ops"), {"ops": budget})

    def random(self, budget: float, number: int) -> list[Architecture]:
        """Different networks within a budget, spread over the upper half of the log of its ops."""
        rng = np.random.default_rng([self.run.recipe.seed, int(budget), number])
        low, high = self.run.space.bounds("ops")[0], min(budget, self.run.space.bounds("ops")[1])
        found: dict[Architecture, None] = {}
        while len(found) < number:
            drawn = self.problem(budget).sample(rng)
            if self.run.space.costs(drawn)["ops"] >= (low * high) ** 0.5:
                found[drawn] = None
        return list(found)

    def largest(self, budget: float) -> Architecture:
        """The network with the most ops within a budget, of many."""
        rng = np.random.default_rng(0)
        problem = self.problem(budget)
        drawn = [*(problem.sample(rng) for _ in range(_DRAWN)), problem.largest()]
        best = max(drawn, key=lambda one: self.run.space.costs(one)["ops"])
        improved = True
        while improved:  # climb one gene at a time
            near = [one for one in self.run.space.neighbours(best) if problem.feasible(one)]
            higher = max(near, key=lambda one: self.run.space.costs(one)["ops"], default=best)
            improved = self.run.space.costs(higher)["ops"] > self.run.space.costs(best)["ops"]
            best = higher if improved else best
        return best

    def alone(self, network: Architecture, seconds: float) -> float:
        """The test error of a network that is trained from scratch for this CPU time."""
        return self._trained(network, "scratch", self._epochs(network, seconds))

    def inherited(self, network: Architecture, seconds: float) -> float:
        """The test error of a network that is trained from weights of the supernet for this CPU time."""
        return self._trained(network, "supernet", self._epochs(network, seconds))

    def _trained(self, network: Architecture, source: str, epochs: int) -> float:
        run, images = self.run, inputs.images(self.run)
        content = run.recipe.retrain.model_dump(by_alias=True) | {"from": source, "epochs": epochs}
        content |= {"min_steps": 0} | ({"lr": _LR_ALONE} if source == "scratch" else {})
        training = NetworkTraining(run, RetrainSettings.model_validate(content), run.recipe.seed)
        built = training.untrained(network, images.train)
        name = f"regret-{source}-{epochs}-{network.key}"
        for checkpoint in training.train(built, name, images.train.join(images.search), silent):
            checkpoint.remove()
        batch = run.recipe.evaluate.batch
        return error_of(correctly_classified(built.eval(), images.test, images.test.y, batch))

    def _epochs(self, network: Architecture, seconds: float) -> int:
        """The epochs for which a network can be trained in some CPU time."""
        images, batch = inputs.images(self.run), self.run.recipe.retrain.batch
        stage = TrainingStage("timed", TrainingSettings(epochs=1, batch=batch), 0)
        built = Network(self.run.space.draw(network))
        for number in (_WARM_UP, _TIMED):
            checkpoint = Checkpoint(self.run.folder / "timed.safetensors")
            begin = process_time()
            train_network(built, images.train.first(number), stage, checkpoint=checkpoint)
            per_image = (process_time() - begin) / number
            checkpoint.remove()
        return max(1, round(seconds / per_image / (len(images.train) + len(images.search))))


def with_confirming(task: Task) -> Trial:
    """A run of evo-bnas, as it is."""
    return _picks(task, Results.of(task.run), task.share("supernet", "search", "confirm"))


def without_confirming(task: Task) -> Trial:
    """The same supernet and search; the CPU time of confirming trains the picks for longer."""
    recipe = task.run.recipe.model_copy(update={"confirm": ConfirmSettings(networks=0)})
    results = Results.of(replace(task.run, recipe=recipe))
    return _picks(task, results, task.share("supernet", "search"))


def largest(task: Task) -> Trial:
    """The network with the most ops within each budget, trained for the whole time."""
    return _each(task, lambda budget: (task.largest(budget), task.share()))


def random(task: Task) -> Trial:
    """A random network within each budget, trained for the whole time."""
    return _each(task, lambda budget: (task.random(budget, 1)[0], task.share()))


def best_of_random(task: Task) -> Trial:
    """The best of some random networks by short trainings, which take half of the time."""

    def choose(budget: float) -> tuple[Architecture, float]:
        begin = process_time()
        evaluate = short_training(task.run, "scratch", _SHORT, task.run.recipe.seed)
        networks = iter(task.random(budget, _MOST))
        tried = []
        while process_time() - begin < task.share() / 2:
            network = next(networks)
            tried.append((evaluate([network])[0].objectives["error"], network))
        best = min(tried, key=lambda pair: pair[0])[1]
        return best, task.share() - (process_time() - begin)

    return _each(task, choose)


def nsga2(task: Task) -> Trial:
    """NSGA-II on short trainings without any supernet, for half of the time; one search for all budgets."""
    begin = process_time()
    problem = task.problem(max(task.budgets))
    engine = InProcess(_in_cpu_time(short_training(task.run, "scratch", _SHORT, task.run.recipe.seed)))
    file = task.run.folder / "nsga2.jsonl"
    file.unlink(missing_ok=True)
    with Journal(file, task.run.space) as journal:
        search_loop(
            problem,
            EXPLORERS["nsga2"](problem, 10),
            engine,
            journal,
            evaluations=1_000,
            batch=4,
            seed=task.run.recipe.seed,
            seconds=task.total / 2,
        )
        rows = journal.archive.frame()
    left = (task.total - (process_time() - begin)) / len(task.budgets)

    def choose(budget: float) -> tuple[Architecture, float]:
        within = rows[(rows["status"] == "ok") & (rows["ops"] <= budget)]
        key = within["key"].iloc[int(within["error"].to_numpy().argmin())]
        return task.run.space.parse(str(key)), left

    return _each(task, choose)


def _in_cpu_time(evaluate: Evaluator) -> Evaluator:
    """An evaluator whose scores take CPU time: on a busy machine the clock runs faster."""

    def timed(architectures: Sequence[Architecture]) -> list[Score]:
        scores = []
        for architecture in architectures:
            begin = process_time()
            (score,) = evaluate([architecture])
            scores.append(replace(score, seconds=process_time() - begin))
        return scores

    return timed


def _picks(task: Task, results: Results, seconds: float) -> Trial:
    """A trial of the ladder of a run, each pick trained for this CPU time."""
    begin = process_time()
    keys = [rung.key for rung in results.ladder(task.budgets)]
    networks = [task.run.space.parse(key) for key in keys]
    errors = {network.key: task.inherited(network, seconds) for network in dict.fromkeys(networks)}
    ops = [task.run.space.costs(network)["ops"] for network in networks]
    return Trial(keys, ops, [errors[key] for key in keys], process_time() - begin)


def _each(task: Task, choose: Callable[[float], tuple[Architecture, float]]) -> Trial:
    """A trial of networks that are chosen and trained alone, budget by budget."""
    begin = process_time()
    networks, errors = [], []
    for budget in task.budgets:
        network, seconds = choose(budget)
        networks.append(network)
        errors.append(task.alone(network, seconds))
    ops = [task.run.space.costs(network)["ops"] for network in networks]
    return Trial([network.key for network in networks], ops, errors, process_time() - begin)


METHODS: Mapping[str, Callable[[Task], Trial]] = MappingProxyType(
    {
        "evo-bnas": with_confirming,
        "evo-bnas, not confirmed": without_confirming,
        "largest": largest,
        "random": random,
        "best of random": best_of_random,
        "nsga2": nsga2,
    }
)


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--images", type=Path, help="folder of CIFAR-10 (default: only the digits)")
    parser.add_argument("--methods", nargs="+", default=tuple(METHODS), help="default: all")
    parser.add_argument("--seeds", type=int, default=5, help="(default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, help="CPU time of a method (default: 150 digits, 400 images)"
    )
    parser.add_argument("--processes", type=int, default=1, help="seeds at once (default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Every method with every seed, on each data set."""
    methods = list(options.methods)
    refuse_unknown("--methods", methods, METHODS)
    sets = {"digits": ("digits", _DIGITS, _DIGITS_SECONDS)}
    if options.images:
        recipe = small_images.recipe(options.images, parts.folder)
        sets = {"CIFAR-10 at 16 x 16 pixels": (recipe, small_images.BUDGETS, _IMAGES_SECONDS)} | sets
    figures = {}
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for name, (recipe, budgets, total) in sets.items():
            folders = [parts.folder / f"{Path(recipe).stem}-{seed}" for seed in range(options.seeds)]
            changes = [[f"seed={seed}", *options.set] for seed in range(options.seeds)]
            seeds = list(
                pool.map(
                    partial(_seed, recipe, budgets=budgets, total=options.seconds or total, methods=methods),
                    folders,
                    changes,
                )
            )
            trials = {method: [seed["trials"][method] for seed in seeds] for method in methods}
            figures[name] = {
                "budgets": list(budgets),
                "seconds": options.seconds or total,
                "stages": [seed["stages"] for seed in seeds],
                "trials": trials,
                "regrets": regrets(budgets, trials),
            }
    return figures


def _seed(
    recipe: str,
    folder: Path,
    changes: Sequence[str],
    *,
    budgets: Sequence[float],
    total: float,
    methods: Sequence[str],
) -> dict[str, Any]:
    """Every method with one seed, and the CPU seconds of the stages of evo-bnas."""
    torch.set_num_threads(1)
    parts, run_folder = Parts(folder), folder / "run"
    stages = parts.get("stages", _searched, recipe, run_folder, changes)
    task = Task(start(recipe, run_folder, changes), budgets, stages, total)
    return {
        "stages": stages,
        "trials": {method: parts.get(method, METHODS[method], task) for method in methods},
    }


def _searched(recipe: str, folder: Path, changes: Sequence[str]) -> dict[str, float]:
    """Run the stages before the final trainings from the start; their CPU seconds."""
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted study: its time would be too short
    run = start(recipe, folder, changes)
    times = [process_time()]
    train(run)
    times.append(process_time())
    outcome = search(run)
    times.append(process_time())
    confirm(run, outcome.results)
    times.append(process_time())
    return dict(zip(("supernet", "search", "confirm"), np.diff(times).tolist(), strict=True))


def regrets(
    budgets: Sequence[float], trials: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[list[float]]]:
    """The regrets of each method, (budgets, seeds)."""
    known = [
        (ops, error)
        for own in trials.values()
        for trial in own
        for ops, error in zip(trial["ops"], trial["test_errors"], strict=True)
    ]
    best = [min(error for ops, error in known if ops <= budget) for budget in budgets]
    return {
        method: [[trial["test_errors"][i] - best[i] for trial in own] for i in range(len(budgets))]
        for method, own in trials.items()
    }


def render(result: Result) -> str:
    """For each data set one row per method: mean regret and its standard deviation over seeds."""
    return "\n\n".join(_rendered(name, figures) for name, figures in result.figures.items())


def _rendered(name: str, figures: Mapping[str, Any]) -> str:
    budgets = [f"{budget:,.0f} ops" for budget in figures["budgets"]]
    rows = [
        [f"`{method}`", *(_mean(own) for own in by_budget), f"{100 * fmean(map(fmean, by_budget)):.2f}"]
        for method, by_budget in figures["regrets"].items()
    ]
    stages = figures["stages"]
    mean = {stage: fmean(own[stage] for own in stages) for stage in stages[0]}
    return (
        f"{name}: mean regret in points, with the standard deviation over {len(stages)} seeds. Every method "
        f"has {figures['seconds']:.0f} s of CPU time for the {len(budgets)} budgets together; evo-bnas "
        f"spends {', '.join(f'{value:.0f} s on {stage}' for stage, value in mean.items())}, and the rest on "
        f"the final trainings.\n\n{table(['method', *budgets, 'mean'], rows)}"
    )


def _mean(values: Sequence[float]) -> str:
    deviation = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.2f}{deviation}"


STUDY = Study(
    about=__doc__,
    section="What a pick is worth",
    minutes=150,
    threads=2,
    measure=measure,
    render=render,
    options=options,
)
