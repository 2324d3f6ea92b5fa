"""1,797 handwritten digits of 8×8 pixels in 17 grey levels (Alpaydin & Kaynak, UCI, 1998)."""

from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.progress import Report


def open_source(settings: DataSettings) -> Source:
    """The digits that come with scikit-learn."""
    return Source((1, 8, 8), tuple("0123456789"), _read, white=16)


def _read(report: Report) -> DecodedImages:
    from sklearn.datasets import load_digits  # half a second

    bunch = load_digits()
    return DecodedImages(bunch.images[:, None].astype("uint8"), bunch.target.astype("int64"))
