"""What the verbs print: one module a subject."""
