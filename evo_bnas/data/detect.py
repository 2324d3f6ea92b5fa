"""Which reader reads a folder or file."""

from pathlib import Path

from evo_bnas.data import cifar, files
from evo_bnas.data.readers import idx
from evo_bnas.errors import UsageError


def reader_of(path: Path) -> str:
    """The name of the reader of a folder or file; `folder` if nothing more specific fits.

    Raises UsageError for a file that no reader reads.
    """
    if path.suffix == ".parquet":
        return "parquet"
    if path.is_file():
        if cifar.archive(path, cifar.TEN) is None:
            raise UsageError(
                f"{path}: is neither a parquet file nor a CIFAR archive; give a folder of images"
            )
        return "cifar100" if cifar.HUNDRED.stem in path.name else "cifar10"
    if files.below(path, (".parquet",)):
        return "parquet"
    if idx.holds(path):
        return "idx"
    return next(
        (variant.name for variant in (cifar.TEN, cifar.HUNDRED) if cifar.archive(path, variant)), "folder"
    )
