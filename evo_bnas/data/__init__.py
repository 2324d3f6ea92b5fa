"""Images: where they come from, how they are kept, and their train, search and test parts."""
