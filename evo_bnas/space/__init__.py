"""Search spaces: they turn genes into blueprints."""
