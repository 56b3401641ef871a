"""`python -m sim.cli` is the command `retrainlab`."""

from sim.cli.app import main

main()
