"""A support vector machine over concatenated pairs: the comparison model of SMEM-NAS.

arXiv 2407.15600 has no public code; this is a reconstruction from its abstract, which names the classifier,
the concatenation and the pairs of n networks. We chose radial basis functions of scikit-learn's default
width, antisymmetry by averaging over both orders, and as the score of a network its mean margin of being
worse than references spread over the measured errors. A prediction takes milliseconds per network, a thousand
times as long as with `pair-linear`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_bnas.search.surrogates.constant import Constant
from evo_bnas.search.surrogates.model import Model, Sample
from evo_bnas.search.surrogates.pairs import worse_and_better

_REFERENCES = 40
# Training time grows with the square of the pairs; the training set has each pair in both orders.
_PAIRS = 1_000


@dataclass(frozen=True, slots=True)
class Comparator:
    """A classifier of pairs, with measured networks to compare others with."""

    classifier: Any  # of scikit-learn, which is untyped
    references: np.ndarray  # (r, d)

    def margin(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The margin (k,) by which each row of `first` is worse than that of `second`; antisymmetric."""
        forwards = self.classifier.decision_function(np.hstack([first, second]))
        backwards = self.classifier.decision_function(np.hstack([second, first]))
        margins: np.ndarray = (forwards - backwards) / 2
        return margins

    def score(self, features: np.ndarray) -> np.ndarray:
        candidates = np.repeat(features, len(self.references), axis=0)
        references = np.tile(self.references, (len(features), 1))
        margins = self.margin(candidates, references).reshape(len(features), len(self.references))
        scores: np.ndarray = margins.mean(axis=1)
        return scores


def pair_svm(sample: Sample, rng: np.random.Generator) -> Model:
    """Fit to pairs; only their draw is random."""
    from sklearn.svm import SVC

    pairs = worse_and_better(sample, rng, size=_PAIRS)
    if not len(pairs):
        return Constant()
    worse, better = sample.features[pairs[:, 0]], sample.features[pairs[:, 1]]
    rows = np.vstack([np.hstack([worse, better]), np.hstack([better, worse])])
    classifier = SVC(kernel="rbf").fit(rows, np.repeat([1, 0], len(pairs)))
    own = sample.rows(~sample.earlier) if not sample.earlier.all() else sample
    spread = np.linspace(0, len(own) - 1, min(_REFERENCES, len(own))).astype(int)
    return Comparator(classifier, own.features[np.argsort(own.error, kind="stable")[spread]])
