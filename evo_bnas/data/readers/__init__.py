"""One module for each kind of data set: `open_source(settings)` returns its `Source`."""
