"""What the verbs print about runs, fronts, picks, spaces and costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from evo_bnas import findings
from evo_bnas.console import objective_values, print_table, say, show_objective, title
from evo_bnas.cost import Cost
from evo_bnas.quantity import show
from evo_bnas.results.front import knee
from evo_bnas.results.pick import Pick
from evo_bnas.run import Run
from evo_bnas.space.genes import Architecture, Space


def introduce(run: Run) -> None:
    """What was read, and what will be done."""
    asked, space = run.recipe, run.space
    least, most = space.bounds("ops")
    limits = [f"{name} ≤ {show_objective(name, v)}" for name, v in asked.pick.limits.items()]
    compute = run.compute
    epochs = asked.retrain.real_epochs + asked.retrain.epochs
    say(
        f"run     {run.folder}\n"
        f"data    {asked.data.name}: {'×'.join(map(str, space.image))}, {space.classes} classes\n"
        f"space   {space.name}: {_count(space)} architectures, {show(least)} to {show(most)} ops\n"
        f"plan    train a supernet for {asked.supernet.epochs} epochs, "
        f"score {asked.search.evaluations} networks ({asked.search.explorer}; "
        f"{', '.join(asked.search.objectives)}),\n"
        f"        pick {' and '.join(limits) or 'the best'}, "
        f"train it for {epochs} epochs from {asked.retrain.source}\n"
        f"compute {compute.device}, {compute.precision}, threads {compute.threads}, seed {asked.seed}\n"
    )


def print_front(run: Run, chosen: Pick | None) -> None:
    """The front cheapest first, with its knee and the picked network marked."""
    best = findings.best(run)
    objectives = run.recipe.search.objectives
    shown = list(dict.fromkeys(["error", "ops", "params", "size_bits", *objectives]))
    bend = knee(best, objectives)["key"]
    rows = []
    for row in best.to_dict("records"):
        marks = ["pick"] * (chosen is not None and row["key"] == chosen.key) + ["knee"] * (row["key"] == bend)
        texts = [show_objective(name, row[name]) for name in shown]
        rows.append([*texts, row["key"], ", ".join(marks)])
    columns = [*map(title, shown), "network", ""]
    scored = len(findings.archive(run))
    print_table(columns, rows, words=["network", ""])
    say(
        f"\n{len(best)} of {scored} networks are on the front of {', '.join(objectives)}; "
        f"hypervolume {findings.covered(run):.4f}"
    )
    if run.front_png.exists():
        say(f"plot: {run.front_png}")


def print_pick(chosen: Pick) -> None:
    """The picked network, why it is that one, and the next best."""
    values = objective_values(chosen.objectives)
    texts = [f"{title(name)} {show_objective(name, value)}" for name, value in values.items()]
    say(f"\npick       {chosen.key}\n           {', '.join(texts)}\n           {chosen.reason}")
    if chosen.runner_up:
        say(f"runner-up  {chosen.runner_up}")
    say()


def print_cards(run: Run, cards: Sequence[Mapping[str, Any]]) -> None:
    """Accuracies of trained networks side by side, and where they are."""
    rows = []
    for card in cards:
        errors = (card["supernet_search_error"], card["inherited_test_error"], card["test_error"])
        texts = [show_objective("error", error) for error in errors]
        rows.append([*texts, show_objective("ops", card["cost"]["ops"]), card["key"]])
    columns = ["top-1 in search", "test, inherited", "test, retrained", "ops", "network"]
    print_table(columns, rows, words=["network"])
    for card in cards:
        say(f"weights and card: {run.pick_folder(card['key'])}")


def print_spaces(spaces: Sequence[Space]) -> None:
    """One line a space."""
    columns = ["space", "image", "architectures", "genes", "least ops", "most ops", "least size", "most size"]
    print_table(columns, [_space_texts(space) for space in spaces], words=["space"])


def print_genes(space: Space) -> None:
    """The choices of a space and its ends."""
    say()
    rows = [[gene.name, ", ".join(map(str, gene.options))] for gene in space.genes]
    print_table(["gene", "options"], rows, words=["gene", "options"])
    say(f"\nsmallest  {space.smallest()}\nlargest   {space.largest()}")


def print_cost(space: Space, architecture: Architecture, profile: str, counted: Cost) -> None:
    """The cost table of a network, and its totals."""
    layers = [
        [
            layer.name,
            layer.op,
            "×".join(map(str, layer.shape)),
            show(layer.bops),
            show(layer.flops),
            show(layer.binary_params),
            show(layer.real_params),
            show(layer.size_bits, "bits"),
            show(layer.activation_bytes, "bytes"),
        ]
        for layer in counted.layers
    ]
    columns = [
        "layer",
        "operation",
        "output",
        "bops",
        "flops",
        "1-bit weights",
        "real weights",
        "size",
        "memory",
    ]
    print_table(columns, layers, words=["layer", "operation", "output"])
    say(
        f"\n{architecture.key} of {space.name}, {profile} profile\n"
        f"ops     {show(counted.ops)} = {show(counted.flops)} flops + {show(counted.bops)} bops / 64\n"
        f"params  {show(counted.params)}: {show(counted.binary_params)} of 1 bit, "
        f"{show(counted.real_params)} real\n"
        f"size    {show(counted.size_bits, 'bits')}\n"
        f"memory  {show(counted.peak_activation_bytes, 'bytes')} at its peak, for the maps of one image"
    )


def print_next(what: str, command: str) -> None:
    """The command to type next, in the last line."""
    say(f"\nnext, {what}: {command}")


def _count(space: Space) -> str:
    number, exact = space.count()
    return f"{number:,}" if exact else f"about {number:.2g}"


def gene_rows(space: Space) -> list[dict[str, Any]]:
    """The genes of a space as JSON values."""
    return [{"name": gene.name, "options": list(gene.options)} for gene in space.genes]


def space_row(space: Space) -> dict[str, Any]:
    """A space as JSON values: its size, its ends, their costs."""
    number, exact = space.count()
    return {
        "name": space.name,
        "image": list(space.image),
        "classes": space.classes,
        "architectures": number,
        "architectures_exact": exact,
        "ops": list(space.bounds("ops")),
        "params": list(space.bounds("params")),
        "size_bits": list(space.bounds("size_bits")),
        "smallest": space.smallest().key,
        "largest": space.largest().key,
    }


def _space_texts(space: Space) -> list[str]:
    ends = [show(value) for value in space.bounds("ops")]
    sizes = [show(value, "bits") for value in space.bounds("size_bits")]
    image = "×".join(map(str, space.image))
    return [space.name, image, _count(space), str(len(space.genes)), *ends, *sizes]
