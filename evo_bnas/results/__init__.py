"""What was found: the archive and its journal, the front, one network out of it, a picture."""
