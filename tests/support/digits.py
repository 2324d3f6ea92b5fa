"""The digits as they are published, to compare with what `load` makes of them."""

from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, open_source
from evo_bnas.data.split import Parts, split
from evo_bnas.progress import silent

DIGITS = DataSettings(name="digits")


def raw() -> Raw:
    """All pixels and labels."""
    return open_source(DIGITS).read(silent)


def parts(seed: int = 0) -> Parts:
    """The images of each part."""
    return split(raw().labels, open_source(DIGITS).classes, seed)
