"""The digits as they are published, to compare with what `load` makes of them."""

from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, open_source
from evo_bnas.data.split import Splits, split
from evo_bnas.progress import silent

DIGITS = DataSettings(name="digits")


def decoded() -> DecodedImages:
    """All pixels and labels."""
    return open_source(DIGITS).read(silent)


def splits(seed: int = 0) -> Splits:
    """The images in each split."""
    return split(decoded(), open_source(DIGITS).classes, DIGITS, seed)
