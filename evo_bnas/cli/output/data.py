"""What `evo-bnas check` prints: a summary of a data set."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from evo_bnas.cli.console import print_table, say
from evo_bnas.data.check import CheckedData
from evo_bnas.data.split import Splits
from evo_bnas.plots.contact_sheet import MAX_CLASSES

_LISTED = 5  # images of a list


def print_check(checked: CheckedData, sheet: Path | None) -> None:
    """Counts, sizes, channels, duplicates, and the line for a recipe; problems are printed by the caller."""
    settings, source, images = checked.settings, checked.source, checked.images
    where = f" {settings.path}: {source.files:,} files," if settings.path else ":"
    published = (
        "" if images.is_test is None else f", of which {images.is_test.sum():,} are the published test split"
    )
    classes = f"{len(source.classes):,} classes"
    say(f"data       {settings.name}{where} {len(images.labels):,} images{published}, {classes}")
    say(f"in files   {_shapes(checked.shapes)}")
    say(f"decoded    {_dimensions(source.image)}, values 0 to {source.white}")
    mean, std = _numbers(checked.mean), _numbers(checked.std)
    say(f"mean       {mean} per channel of the train split; standard deviation {std}")
    say(f"duplicates {_duplicates(checked)}")
    say(f"spaces     {', '.join(checked.spaces) or 'no shipped space accepts images of this size'}")
    for title, lines in (
        ("unreadable", images.skipped),
        ("duplicates within a split", [" = ".join(pair) for pair in checked.duplicates.within]),
        (
            "duplicates between train and test split",
            [" = ".join(pair) for pair in checked.duplicates.between],
        ),
    ):
        if lines:
            say(f"\n{title}" + (f", first {_LISTED} of {len(lines):,}:" if len(lines) > _LISTED else ":"))
            say("\n".join(f"  {line}" for line in lines[:_LISTED]))
    say()
    columns = [*(Splits._fields if checked.splits else ()), "all"]
    rows = [[name, *(f"{count:,}" for count in counts)] for name, counts in checked.counts().items()]
    print_table(["class", *columns], rows, left=["class"])
    if sheet is not None:
        cut = f", first {MAX_CLASSES} classes" if len(source.classes) > MAX_CLASSES else ""
        say(f"\nsheet      {sheet}{cut}")
    say(f"\n{recipe_line(checked)}")


def recipe_line(checked: CheckedData) -> str:
    """The line of a recipe that reads this data set."""
    settings = _settings(checked)
    if "size" in settings and len(set(settings["size"])) == 1:
        settings["size"] = settings["size"][0]
    return "data: " + yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, width=10_000).strip()


def row(checked: CheckedData) -> dict[str, Any]:
    """The same as JSON values, with the problems."""
    columns = [*(Splits._fields if checked.splits else ()), "all"]
    return {
        "data": _settings(checked),
        "files": checked.source.files,
        "shapes": [{"shape": shape, "images": count} for shape, count in checked.shapes.most_common()],
        "image": checked.source.image,
        "white": checked.source.white,
        "classes": {
            name: dict(zip(columns, counts, strict=True)) for name, counts in checked.counts().items()
        },
        "mean": checked.mean,
        "std": checked.std,
        "test_published": checked.images.is_test is not None,
        "duplicates": {"within": checked.duplicates.within, "between": checked.duplicates.between},
        "skipped": checked.images.skipped,
        "spaces": checked.spaces,
        "problems": checked.problems,
    }


def _settings(checked: CheckedData) -> dict[str, Any]:
    """The `data` section of a recipe, without defaults."""
    settings = checked.settings.model_dump(mode="json", exclude_defaults=True)
    if not checked.images.skipped:
        del settings["skip_bad"]  # only set to finish the check
    return settings


def _shapes(shapes: Counter[tuple[int, int, int]]) -> str:
    if len(shapes) == 1:
        return f"all {_dimensions(next(iter(shapes)))}"
    total = shapes.total()
    parts = []
    for title, axis in (("channels", 0), ("height", 1), ("width", 2)):
        sides = [shape[axis] for shape in shapes]
        parts.append(f"{title} {min(sides)}" + (f" to {max(sides)}" if max(sides) > min(sides) else ""))
    frequent, count = shapes.most_common(1)[0]
    return f"{', '.join(parts)}; most often {_dimensions(frequent)} ({100 * count / total:.0f} %)"


def _duplicates(checked: CheckedData) -> str:
    within, between = len(checked.duplicates.within), len(checked.duplicates.between)
    if not within + between:
        return "none"
    return f"{within:,} within a split, {between:,} between train and test split"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _dimensions(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
