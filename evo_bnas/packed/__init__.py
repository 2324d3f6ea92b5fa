"""1-bit execution: a network as a program of fused steps, run with XNOR and popcount."""
