"""A blueprint as a picture: where everything goes, and how it is drawn."""
