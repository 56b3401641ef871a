"""The command line: its commands under one name, and how a mistake ends."""

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from sim.cli import catalogues, data, gates
from sim.cli.backtest import BacktestOptions, backtest
from sim.cli.compare import CompareOptions, compare
from sim.cli.interrupt import EXIT_CODE, INTERRUPTION
from sim.cli.judge import JudgeOptions, judge
from sim.cli.options import command
from sim.cli.report import ReportOptions, report
from sim.cli.run import RunOptions, run
from sim.cli.surface import SurfaceOptions, surface
from sim.cli.terminal import begin_screen, tell
from sim.cli.tune import TuneOptions, tune
from sim.errors import InputError, WorkError

_QUESTION = "When should a deployed model be retrained, and what is that worth?"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is read at once: what draws boxes takes half of its time to import
)
command(app, RunOptions)(run)
command(app, JudgeOptions)(judge)
command(app, CompareOptions)(compare)
command(app, BacktestOptions)(backtest)
command(app, SurfaceOptions)(surface)
command(app, TuneOptions)(tune)
command(app, ReportOptions)(report)
app.command()(catalogues.scenarios)
app.command()(catalogues.policies)
app.command()(catalogues.signals)
app.command()(catalogues.training)
app.add_typer(gates.gates_app, name="gates")
gates.gates_app.command("show")(gates.show_gates)
command(gates.gates_app, gates.PowerOptions, "power")(gates.power_of_gates)
app.add_typer(data.data_app, name="data")
data.data_app.command()(data.fetch)
data.data_app.command()(data.describe)
command(data.data_app, data.CheckOptions)(data.check)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"retrainlab {version('retrainlab')}")
        raise typer.Exit


@app.callback(help=_QUESTION)
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Offer what belongs to no command."""


def run_app() -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 bad usage or bad input."""
    begin_screen()
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        _end(error.format_message(), error.exit_code)
    except InputError as error:
        _end(str(error), 2)
    except WorkError as error:
        if INTERRUPTION.was_heard():  # a store that was cut short failed for no other reason
            raise KeyboardInterrupt from error
        _end(str(error), 1)
    except RecursionError:
        _end(
            "what is read must not be nested hundreds of levels deep, but a file or an expression is; flatten it.", 2
        )
    else:
        if code == EXIT_CODE:  # what Typer makes of it
            raise KeyboardInterrupt
        sys.exit(code)


def _end(sentence: str, code: int) -> None:
    if sentence:  # help that was shown for want of a command says all
        tell(sentence)
    sys.exit(code)
