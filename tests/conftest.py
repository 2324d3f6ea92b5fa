"""Settings of all tests."""

from hypothesis import settings

# Shared machines are slow now and then; a slow example is no failure.
settings.register_profile("evo-bnas", deadline=None)
settings.load_profile("evo-bnas")
