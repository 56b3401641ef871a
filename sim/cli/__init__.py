"""The command line, thin: one file a family of commands, and one for what they show."""


def main() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 bad usage or bad input."""
    from sim.cli.app import run_app

    run_app()
