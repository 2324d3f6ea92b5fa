"""One network as a value: its nodes, blueprint, cost, objectives and card."""
