"""What `evo-bnas check` prints: what a data set is, and what is wrong with it."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from evo_bnas.cli.console import print_table, say
from evo_bnas.data.check import Checked
from evo_bnas.data.split import Parts
from evo_bnas.plots.contact_sheet import MAX_CLASSES

_FIRST = 5  # of a list of images


def print_check(found: Checked, sheet: Path | None) -> None:
    """Everything but what is wrong: counts, sizes, colours, duplicates, and the line of a recipe."""
    settings, source, raw = found.settings, found.source, found.raw
    where = f" {settings.path}: {source.files:,} files," if settings.path else ":"
    published = "" if raw.test is None else f", of which {raw.test.sum():,} are published as the test part"
    classes = f"{len(source.classes):,} classes"
    say(f"data       {settings.name}{where} {len(raw.labels):,} images{published}, {classes}")
    say(f"in files   {_shapes(found.shapes)}")
    say(f"decoded    {_by(source.image)}, values 0 to {source.white}")
    say(f"mean       {_numbers(found.mean)} per channel of the train part; deviation {_numbers(found.std)}")
    say(f"duplicates {_duplicates(found)}")
    say(f"spaces     {', '.join(found.spaces) or 'no shipped one takes images of this size'}")
    for title, lines in (
        ("unread", raw.skipped),
        ("the same image twice in a part", [" = ".join(pair) for pair in found.duplicates.within]),
        ("the same image in train and test part", [" = ".join(pair) for pair in found.duplicates.between]),
    ):
        if lines:
            say(f"\n{title}" + (f", the first {_FIRST} of {len(lines):,}:" if len(lines) > _FIRST else ":"))
            say("\n".join(f"  {line}" for line in lines[:_FIRST]))
    say()
    columns = [*(Parts._fields if found.parts else ()), "all"]
    rows = [[name, *(f"{count:,}" for count in counts)] for name, counts in found.counts().items()]
    print_table(["class", *columns], rows, left=["class"])
    if sheet is not None:
        cut = f", the first {MAX_CLASSES} classes" if len(source.classes) > MAX_CLASSES else ""
        say(f"\nsheet      {sheet}{cut}")
    say(f"\n{recipe_line(found)}")


def recipe_line(found: Checked) -> str:
    """The line of a recipe that reads this data set."""
    said = _settings(found)
    if "size" in said and len(set(said["size"])) == 1:
        said["size"] = said["size"][0]
    return "data: " + yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=10_000).strip()


def row(found: Checked) -> dict[str, Any]:
    """The same as JSON values, with what is wrong."""
    columns = [*(Parts._fields if found.parts else ()), "all"]
    return {
        "data": _settings(found),
        "files": found.source.files,
        "shapes": [{"shape": shape, "images": count} for shape, count in found.shapes.most_common()],
        "image": found.source.image,
        "white": found.source.white,
        "classes": {name: dict(zip(columns, counts, strict=True)) for name, counts in found.counts().items()},
        "mean": found.mean,
        "std": found.std,
        "test_published": found.raw.test is not None,
        "duplicates": {"within": found.duplicates.within, "between": found.duplicates.between},
        "skipped": found.raw.skipped,
        "spaces": found.spaces,
        "wrong": found.wrong,
    }


def _settings(found: Checked) -> dict[str, Any]:
    """What a recipe has to say."""
    said = found.settings.model_dump(mode="json", exclude_defaults=True)
    if not found.raw.skipped:
        del said["skip_bad"]  # which was assumed, to go on
    return said


def _shapes(shapes: Counter[tuple[int, int, int]]) -> str:
    if len(shapes) == 1:
        return f"all {_by(next(iter(shapes)))}"
    total = shapes.total()
    parts = []
    for title, axis in (("channels", 0), ("height", 1), ("width", 2)):
        sides = [shape[axis] for shape in shapes]
        parts.append(f"{title} {min(sides)}" + (f" to {max(sides)}" if max(sides) > min(sides) else ""))
    usual, count = shapes.most_common(1)[0]
    return f"{', '.join(parts)}; most often {_by(usual)} ({100 * count / total:.0f} %)"


def _duplicates(found: Checked) -> str:
    within, between = len(found.duplicates.within), len(found.duplicates.between)
    if not within + between:
        return "none: no image is there twice"
    return f"{within:,} images equal an earlier one of their part; {between:,} are in train and test part"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
