"""One training loop, used by the supernet and by the networks that are picked from it."""
