"""docs/measured.md: prose that is written by hand, and between markers what stored results say.

<!-- result: NAME -->
rendered, never edited
<!-- end -->
"""

import re
from pathlib import Path

from analysis.shared import study as studies
from analysis.shared.result import RESULTS, Result
from evo_bnas.files.atomic import write_bytes

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "measured.md"

_PLACE = re.compile(r"<!-- result: (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def places(text: str) -> list[str]:
    """The studies whose results a page shows, in their order on the page."""
    return [match["name"] for match in _PLACE.finditer(text)]


def prose(text: str) -> str:
    """What is written by hand."""
    return _PLACE.sub("", text)


def rendered(text: str, results: Path = RESULTS) -> str:
    """The page with every place filled from the stored results."""
    return _PLACE.sub(lambda match: _place(match["name"], results), text)


def section(name: str, results: Path = RESULTS) -> str:
    """What the page shows of one study."""
    study, result = studies.load(name), Result.read(name, results)
    if result is None:
        return f"*Not measured yet; `python -m analysis {name}` takes about {study.minutes:.0f} min.*"
    return f"{study.render(result)}\n\n{result.caption}"


def write(page: Path = PAGE, results: Path = RESULTS) -> list[Path]:
    """Render the page and the pictures of its studies beside it; returns the files written."""
    text = page.read_text(encoding="utf-8")
    files = [page]
    write_bytes(page, rendered(text, results).encode())
    for name in places(text):
        study, result = studies.load(name), Result.read(name, results)
        if study.draw and study.picture and result:
            files.append(page.parent / study.picture)
            study.draw(result, files[-1])
    return files


def _place(name: str, results: Path) -> str:
    return f"<!-- result: {name} -->\n{section(name, results)}\n<!-- end -->"
