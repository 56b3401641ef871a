"""`python -m sim.cli` is the command `retrainlab`."""

from sim.cli import main

main()
