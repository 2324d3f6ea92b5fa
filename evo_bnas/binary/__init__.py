"""The mathematics of 1-bit networks: signs, weights, the interpreter and the inference form."""
