"""`python -m evo_bnas` is the `evo-bnas` command."""

from evo_bnas.cli import main

main()
