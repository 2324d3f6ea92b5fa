"""Figures of fronts, rankings, profiles, data sets and networks, all in the style of `plots.style`."""
