"""What a user takes away from a run: files that a device, or another program, can run."""
