"""The studies behind docs/measured.md.

python -m analysis                 list them
python -m analysis NAME [OPTIONS]  measure one and store its result in analysis/results
python -m analysis timing          measure all that need a machine without other work
python -m analysis render          write docs/measured.md and its pictures from the stored results
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from analysis.shared import command, page
from analysis.shared import study as studies
from analysis.shared.result import Result
from evo_bnas.cli import console
from evo_bnas.errors import UsageError, suggestion


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Read when torch and numpy are loaded, which is when a study is imported. Studies of several threads set
    # their number themselves.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command evo-bnas has it
    if words and words[0] in studies.names():
        _measure(words[0], words[1:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="list", help="a study, list, timing or render")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="of the list")
    options = parser.parse_args(words)
    if options.what == "list":
        _list(options.format)
    elif options.what == "timing":
        for name in studies.names():
            if studies.load(name).timing:
                # Each in a process of its own: what one has loaded and warmed up must not change the next.
                subprocess.run([sys.executable, "-m", "analysis", name], check=True)
    elif options.what == "render":
        for file in page.write():
            console.say(f"wrote {file}")
    else:
        known = [*studies.names(), "list", "timing", "render"]
        _refuse(f"{options.what}: unknown study; {suggestion(options.what, known)}")


def _measure(name: str, words: Sequence[str]) -> None:
    try:
        result, file = command.measure(name, words)
    except UsageError as failure:
        _refuse(str(failure))
    console.say(f"{studies.load(name).render(result)}\n\n{result.caption}\n\nwrote {file}")


def _list(form: str) -> None:
    loaded = [(name, studies.load(name), Result.read(name)) for name in studies.names()]
    if form == "json":
        console.print_json(
            [
                {
                    "study": name,
                    "section": study.section,
                    "picture": study.picture,
                    "minutes": study.minutes,
                    "timing": study.timing,
                    "measured": result.date if result else None,
                }
                for name, study, result in loaded
            ]
        )
        return
    columns = ["study", "section of docs/measured.md", "picture", "minutes", "quiet machine", "measured"]
    rows = [
        [
            name,
            study.section,
            study.picture or "",
            f"{study.minutes:g}",
            "needed" if study.timing else "",
            result.date if result else "not yet",
        ]
        for name, study, result in loaded
    ]
    console.print_table(columns, rows, left=[column for column in columns if column != "minutes"])


def _refuse(text: str) -> None:
    console.complain(text)
    sys.exit(2)


if __name__ == "__main__":
    main()
