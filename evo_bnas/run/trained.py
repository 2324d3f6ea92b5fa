"""The retrained networks of a run, read without torch."""

from statistics import fmean

import pandas as pd

from evo_bnas.network import card
from evo_bnas.network.card import Card
from evo_bnas.network.objectives import EXACT
from evo_bnas.run.folder import Run

_COLUMNS = (
    "key", *EXACT, "search_error", "inherited_test_error", "test_error", "low", "high",
    "seeds", "seed_low", "seed_high", "test_images",
)  # fmt: skip


def trained_networks(run: Run) -> pd.DataFrame:
    """The retrained networks of a run by rising ops, with their test errors and 95 % intervals.

    `low` to `high` is Wilson's interval for the choice of the test images; `seed_low` to `seed_high` is the
    range over the seeds.
    """
    from scipy.stats import binomtest  # takes a second to import

    rows = []
    for file in sorted(run.picks.glob(f"*/{card.FILE}")):
        own = Card.read(file)
        images = own.data.images["test"]
        error = fmean(own.test_errors)
        interval = binomtest(round(error * images), images).proportion_ci(method="wilson")
        rows.append(
            {
                "key": own.key,
                **{name: own.cost[name] for name in EXACT},
                "search_error": own.supernet_search_error,
                "inherited_test_error": own.inherited_test_error,
                "test_error": error,
                "low": interval.low,
                "high": interval.high,
                "seeds": len(own.test_errors),
                "seed_low": min(own.test_errors),
                "seed_high": max(own.test_errors),
                "test_images": images,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values("ops", kind="stable", ignore_index=True)
