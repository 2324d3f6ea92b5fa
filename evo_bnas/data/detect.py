"""Find the reader for a folder or file."""

from pathlib import Path

from evo_bnas.data import cifar
from evo_bnas.data.paths import find_files
from evo_bnas.data.readers import idx
from evo_bnas.errors import UsageError


def reader_of(path: Path) -> str:
    """The name of the reader for a folder or file; `folder` if no other reader fits.

    Raises UsageError for a file that no reader reads.
    """
    if path.suffix == ".parquet":
        return "parquet"
    if path.is_file():
        if cifar.find_archive(path, cifar.CIFAR10) is None:
            raise UsageError(
                f"{path}: is neither a parquet file nor a CIFAR archive; give a folder of images"
            )
        return "cifar100" if cifar.CIFAR100.stem in path.name else "cifar10"
    if find_files(path, (".parquet",)):
        return "parquet"
    if idx.has_files(path):
        return "idx"
    variants = (cifar.CIFAR10, cifar.CIFAR100)
    return next((variant.name for variant in variants if cifar.find_archive(path, variant)), "folder")
