"""One small reader for each kind of data set: `open_source(settings)` gives its Source."""
