"""The drawing of a network: rows, alignment, layout, labels, and the figure."""
