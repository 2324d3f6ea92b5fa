"""Weights shared by all architectures of a space; each uses slices of them."""
