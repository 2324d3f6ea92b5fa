"""Mean and standard deviation of images, by which they are normalised."""

import numpy as np
from numpy.typing import NDArray


def mean_and_std(
    pixels: NDArray[np.uint8], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation per channel of the chosen images, exact: from counts of pixel values.

    A constant channel has the deviation 1, so that it can be divided by it.
    """
    values = np.arange(256)
    means, deviations = [], []
    for channel in range(pixels.shape[1]):
        counts = sum(
            np.bincount(pixels[chunk, channel].ravel(), minlength=256)
            for chunk in np.array_split(chosen, -(-len(chosen) // 4096))
        )
        mean = np.average(values, weights=counts)
        means.append(mean)
        deviations.append(np.sqrt(np.average((values - mean) ** 2, weights=counts)) or 1.0)
    return np.array(means), np.array(deviations)
