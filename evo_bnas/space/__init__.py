"""What may be built: spaces turn genes into blueprints and know nothing else."""
