"""The expected error of every network after training, by all that was measured of it and of the others.

A measured error is partly chance: the search split is small, and of many errors the lowest are partly luck.
So each is drawn towards what networks like it reach, the more the noisier it is: the small-area estimator of
Fay and Herriot, "Estimates of income for small places", Journal of the American Statistical Association 74,
1979. First the errors in the search are drawn towards a line over the log of the ops. Then each rung of
confirming trainings corrects the estimates before it, also those of networks that it did not train.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evo_bnas.archive.correct import unpack_correct

MIN_NETWORKS = 3  # fewer are not corrected: a line through them fits anything

# The prior of a rung's slopes, with standard deviations. Slope 1 on the estimates before: short trainings
# change all errors by the same amount. Slope 0 on the log of the ops: ops add nothing to the estimates.
_SLOPES, _SLOPE_DEVIATIONS = np.array([1.0, 0.0]), np.array([0.5, 0.05])
_LEAST_VARIANCE = 1e-12  # of an error without correctness bits, which counts as exact
_MOST_VARIANCE = 10.0  # beyond that of any fractions


@dataclass(frozen=True, slots=True)
class Estimates:
    """Expected errors, (networks,), by what is measured up to a stage; all as fractions."""

    mean: np.ndarray
    deviation: np.ndarray
    noise: float  # deviation of a measured error through the choice of the images, median
    between: float  # deviation of networks that the line does not tell apart
    # Of the line: in the search on the log of the ops; in a rung on the earlier estimates, then on that log.
    slopes: np.ndarray


def expected_errors(frame: pd.DataFrame, rungs: Sequence[pd.DataFrame] = ()) -> list[Estimates]:
    """The expected errors of successful rows after the search and after each rung, the last the best.

    Rows have `key`, `error`, `ops` and `correct`. The rows of a rung are of some of the same networks,
    trained longer than those of the rung before; a rung of fewer than 3 is ignored.
    """
    fewer_ops = -np.log(frame["ops"].to_numpy(dtype=float))
    stages = [_estimates(frame, np.arange(len(frame)), _Fit(fewer_ops[:, None]))]
    place = {key: index for index, key in enumerate(frame["key"])}
    for rung in rungs:
        known = rung[rung["key"].isin(place)]
        if len(known) >= MIN_NETWORKS:
            measured = np.array([place[key] for key in known["key"]])
            features = np.column_stack([stages[-1].mean, fewer_ops])
            stages.append(_estimates(known, measured, _Fit(features, _SLOPES, _SLOPE_DEVIATIONS)))
    return stages


def _estimates(rows: pd.DataFrame, measured: np.ndarray, fit: "_Fit") -> Estimates:
    """Expected errors of all networks from the errors of the `measured` ones, whose rows are given.

    The errors are a linear function of the features, plus what is particular to a network, plus noise.
    Networks that were not measured are given the linear function alone.
    """
    error, noise = rows["error"].to_numpy(dtype=float), _noise(rows)
    typical = float(np.sqrt(np.median(noise)))
    if len(rows) < MIN_NETWORKS:
        return Estimates(error, np.sqrt(noise), typical, 0.0, np.zeros(1))
    own = _variance_between(error, noise, measured, fit)
    line = fit.line(error, noise + own, measured)
    mean, uncertain = line.at(fit.features)
    variance = own + uncertain
    share = own / (own + noise)
    mean[measured] += share * (error - mean[measured])
    variance[measured] = share * noise + (1 - share) ** 2 * uncertain[measured]
    # Far from what was measured the line leaves the range of an error.
    return Estimates(mean.clip(0, 1), np.sqrt(variance), typical, float(np.sqrt(own)), line.slopes)


@dataclass(frozen=True, slots=True)
class _Line:
    """A fitted linear function."""

    centre: np.ndarray  # (features,)
    height: float  # at the centre
    slopes: np.ndarray
    covariance: np.ndarray  # of height and slopes

    def at(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Its values and their variances, (networks,) each."""
        offset = features - self.centre
        row = np.column_stack([np.ones(len(features)), offset])
        return self.height + offset @ self.slopes, np.einsum("ni,ij,nj->n", row, self.covariance, row)


@dataclass(frozen=True, slots=True)
class _Fit:
    """The features that errors are fitted to (networks, features), and the prior of their slopes, if any.

    A feature is oriented so that more of it means a higher error, and no slope is below 0. Where the errors
    say the opposite, such as that more ops raise the error, large networks were trained too little.
    """

    features: np.ndarray
    slopes: np.ndarray | None = None
    deviations: np.ndarray | None = None

    def line(self, error: np.ndarray, variance: np.ndarray, measured: np.ndarray) -> _Line:
        """The most probable line through the errors of the measured networks."""
        from scipy.optimize import nnls  # takes a second to import

        weight, features = 1 / variance, self.features[measured]
        centre = np.average(features, axis=0, weights=weight)
        height = float(np.average(error, weights=weight))
        offset, root = features - centre, np.sqrt(weight)
        rows, values = offset * root[:, None], (error - height) * root
        precision = np.zeros(features.shape[1])
        if self.slopes is not None and self.deviations is not None:
            # What is known before is as good as a measurement of each slope.
            precision = self.deviations**-2
            rows = np.vstack([rows, np.diag(1 / self.deviations)])
            values = np.append(values, self.slopes / self.deviations)
        slopes, _ = nnls(rows, values)
        used = np.append(True, slopes > 0)
        design = np.column_stack([np.ones(len(error)), offset])
        information = design.T @ (design * weight[:, None]) + np.diag(np.append(0, precision))
        covariance = np.zeros(information.shape)
        covariance[np.ix_(used, used)] = np.linalg.pinv(information[np.ix_(used, used)])
        return _Line(centre, height, slopes, covariance)

    @property
    def free(self) -> int:
        """Parameters that are known from the errors alone."""
        return 1 + (self.features.shape[1] if self.slopes is None else 0)


def _variance_between(error: np.ndarray, noise: np.ndarray, measured: np.ndarray, fit: _Fit) -> float:
    """The variance of what is particular to a network.

    It is the one at which the weighted squares of the residuals add up to their degrees of freedom, or 0 if
    the noise alone explains the residuals.
    """
    from scipy.optimize import brentq

    freedom: int = len(error) - fit.free

    def excess(own: float) -> float:
        fitted, _ = fit.line(error, noise + own, measured).at(fit.features[measured])
        return float(np.sum((error - fitted) ** 2 / (noise + own))) - freedom

    if excess(0.0) <= 0:
        return 0.0
    root: float = brentq(excess, 0.0, _MOST_VARIANCE, xtol=1e-9)
    return root


def _noise(rows: pd.DataFrame) -> np.ndarray:
    """The variance (rows,) of each error through the choice of the images that it is measured on.

    All networks are measured on the same images, so what counts is by how much the answers of a network
    differ from those of the others: images that are hard for all do not disturb a comparison.
    """
    if not rows["correct"].all():
        return np.full(len(rows), _LEAST_VARIANCE)
    correct = np.stack([unpack_correct(text) for text in rows["correct"]]).astype(np.float32)
    images, mean = correct.shape[1], correct.mean(axis=0)
    differing = correct.sum(axis=1) - 2 * correct @ mean + mean @ mean  # squares, summed over the images
    variance: np.ndarray = np.maximum(differing.astype(float) / images**2, _LEAST_VARIANCE)
    return variance
