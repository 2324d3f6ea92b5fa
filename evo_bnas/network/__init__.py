"""One network as a value: its blueprint, its cost, the objectives it is judged by, its card."""
