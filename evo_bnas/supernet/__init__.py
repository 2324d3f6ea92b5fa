"""Shared weights: one tensor for all architectures of a space, cut to measure for each."""
