"""What a search has measured: scores, the archive and its journal, the front, the pick, rank statistics."""
