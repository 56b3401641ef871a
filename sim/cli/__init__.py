"""The command line, thin: one file a family of commands, and one for what they show."""

from sim.cli.interrupt import EXIT_CODE, INTERRUPTION


def main() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 bad usage or bad input, 130 interrupted."""
    INTERRUPTION.watch()
    try:
        from sim.cli.app import run_app

        run_app()
    except KeyboardInterrupt:
        INTERRUPTION.tell()
        raise SystemExit(EXIT_CODE) from None
