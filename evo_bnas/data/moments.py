"""What images are normalised by."""

import numpy as np
from numpy.typing import NDArray


def moments(
    pixels: NDArray[np.uint8], part: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation per channel of some images, from how often each value stands there.

    A channel of one value has the deviation 1: it tells nothing, whatever it is divided by.
    """
    values = np.arange(256)
    means, deviations = [], []
    for channel in range(pixels.shape[1]):
        counts = sum(
            np.bincount(pixels[chunk, channel].ravel(), minlength=256)
            for chunk in np.array_split(part, -(-len(part) // 4096))
        )
        mean = np.average(values, weights=counts)
        means.append(mean)
        deviations.append(np.sqrt(np.average((values - mean) ** 2, weights=counts)) or 1.0)
    return np.array(means), np.array(deviations)
