"""The results of a search: scores, archive and journal, front, pick, rank statistics."""
