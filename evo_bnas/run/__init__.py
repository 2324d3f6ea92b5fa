"""A run, stage by stage: start, train, search, pick, retrain, and its results."""
