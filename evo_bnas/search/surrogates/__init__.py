"""Surrogates: models that rank architectures, fitted to measured errors of others."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from evo_bnas.search.surrogates.choice import auto
from evo_bnas.search.surrogates.gp import gp
from evo_bnas.search.surrogates.pair_bt import pair_bt
from evo_bnas.search.surrogates.pair_linear import pair_linear
from evo_bnas.search.surrogates.pair_svm import pair_svm

if TYPE_CHECKING:
    from evo_bnas.search.surrogates.model import Surrogate

SURROGATES: "Mapping[str, Surrogate]" = MappingProxyType(
    {"auto": auto, "gp": gp, "pair-bt": pair_bt, "pair-linear": pair_linear, "pair-svm": pair_svm}
)
