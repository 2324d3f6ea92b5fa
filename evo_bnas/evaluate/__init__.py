"""Scores of architectures: read from the supernet, measured after a training, or looked up in a table."""
