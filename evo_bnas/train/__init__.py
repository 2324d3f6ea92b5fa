"""Training: one loop for the shared weights of a supernet and for single networks."""
