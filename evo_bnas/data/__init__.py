"""Images: readers, decoding, the cache of decoded images, and the train, search and test splits."""
