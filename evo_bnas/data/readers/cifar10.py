"""CIFAR-10 (Krizhevsky, 2009): 60,000 images in 10 classes."""

from evo_bnas.data.cifar import CIFAR10, open_variant
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Source


def open_source(settings: DataSettings) -> Source:
    """CIFAR-10, from its official binary archive or from parquet files."""
    return open_variant(settings, CIFAR10)
