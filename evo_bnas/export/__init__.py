"""Export of retrained networks to files that a device, or another program, can run."""
