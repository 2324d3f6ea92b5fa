"""The commands of `evo-bnas`, by subject."""
