"""The command line, thin: one file a family of commands, and one for what they show."""

from sim.cli.interrupt import INTERRUPTION


def main() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 bad usage or bad input, 130 interrupted."""
    INTERRUPTION.watch()
    try:
        from sim.cli.app import run_app

        run_app()
    except KeyboardInterrupt:
        INTERRUPTION.end()
    except Exception:
        if INTERRUPTION.was_heard():  # a library may make an error of its own of it, as DuckDB does
            INTERRUPTION.end()
        raise
