"""Settings of all tests."""

import pytest
import torch
from hypothesis import settings

# Shared machines are slow now and then; a slow example is not a failure.
settings.register_profile("evo-bnas", deadline=None)
settings.load_profile("evo-bnas")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a GPU where there is none: pytest counts it as deselected, not as passed."""
    if torch.cuda.is_available():
        return
    without = [item for item in items if item.get_closest_marker("gpu")]
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if item not in without]
