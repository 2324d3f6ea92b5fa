"""evo-bnas: multi-objective evolutionary search for 1-bit convolutional networks.

    from evo_bnas import findings, workflow

    run = workflow.run("digits")                   # train, search, pick, retrain; goes on where it was
    table = findings.archive(run)                  # every scored network, a pandas DataFrame
    chosen = findings.choose(run, {"ops": 20_000})  # a pick under other limits
    card = workflow.retrain(run, chosen.key)       # trained to the end: accuracies, cost, files

Spaces are in `evo_bnas.space.catalogue`, costs in `evo_bnas.cost`, trained networks are read by
`evo_bnas.binary.network.load_network`.
"""
