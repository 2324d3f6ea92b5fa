"""Changes of a recipe that make a run short: one epoch without a minimum of steps, and nothing to confirm."""

SHORT = (
    "supernet.epochs=1",
    "supernet.min_steps=0",
    "confirm.networks=0",
    "confirm.min_steps=0",
    "retrain.epochs=1",
    "retrain.min_steps=0",
    "engine.threads=1",
    "engine.device=cpu",
)
