"""What the command line shows: tables, stories, progress, and words on the way."""

import json
import shlex
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:  # numbers and tables are loaded when a command needs them, so that help is quick
    from sim.study.comparison.boards import Leaderboard


@contextmanager
def listening(steps: int) -> Iterator[Any]:
    """Show on stderr how a run gets on, if somebody is looking."""
    from sim.mlops.live.run import Listener

    with _bar("starting", steps) as update:
        yield Listener(phase=lambda words: update(description=words), step=lambda row: update(completed=row.step + 1))


@contextmanager
def counting(worlds: int) -> Iterator[Callable[[int], None]]:
    """Show on stderr how many worlds are done."""
    with _bar("worlds", worlds) as update:
        yield lambda done: update(completed=done)


@contextmanager
def _bar(description: str, total: int) -> Iterator[Callable[..., None]]:
    """Show a progress bar where stderr is a terminal; yield what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.update, progress.add_task(description, total=total))


def say(text: str = "", *, nl: bool = True) -> None:
    """Show a result as text: what came from data is made visible, and secrets of URIs are hidden."""
    from sim.shown_text import redacted, visible

    typer.echo(visible(redacted(text)), nl=nl)


def tell(words: str) -> None:
    """Say something on the way that is no result, in one line."""
    from sim.shown_text import sentence

    typer.echo(f"retrainlab: {sentence(words)}", err=True)


def complain(problems: Sequence[str]) -> None:
    """Say what went wrong, if anything, and then end with exit code 1."""
    for problem in problems:
        tell(problem)
    if problems:
        raise typer.Exit(1)


def show(title: str, rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Show rows as a table, or as one JSON object under the title."""
    if as_json:
        typer.echo(json.dumps({title.lower().replace(" ", "_"): list(rows)}))
        return
    from reports.tables import rows_table

    show_tables(rows_table(title, rows))


def show_one(title: str, facts: Mapping[str, Any], as_json: bool) -> None:
    """Show the facts of one thing below each other."""
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        show(title, [{"fact": name.replace("_", " "), "value": value} for name, value in facts.items()], as_json)


def show_tables(content: Any) -> None:
    """Print what rich can draw."""
    from rich.console import Console

    Console().print(_Visible(content))


class _Visible:
    """What rich can draw, with control characters made visible."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.segment import Segment

        from sim.shown_text import visible

        for text, style, control in console.render(self._content, options):
            yield Segment(text if control else visible(text), style, control)


def show_boards(leaderboard: "Leaderboard", folder: Path) -> None:
    """Print the boards of a comparison, and how to draw them."""
    from reports.leaderboard_tables import board_tables

    for board in leaderboard.boards:
        show_tables(board_tables(board, leaderboard.baseline))
    say(f"\n{leaderboard.cells} cells; the results are in {folder}. To draw them:")
    say(f"retrainlab report {shlex.quote(str(folder))}")


def tell_of_gates(leaderboard: "Leaderboard") -> None:
    """Say where gates let nothing by, which makes all policies alike but for what they spend."""
    from sim.study.comparison.leaderboard import never_promoting

    for board in leaderboard.boards:
        if never_promoting(board):
            tell(
                f"under the gates {board.gates} no new model was ever promoted in {board.scenario}, whatever asked "
                f"for it; `retrainlab gates {board.gates}` says what they want, and --gates takes others."
            )


def tell_drift(scenario: Any) -> None:
    """Say what happens in a scenario, draw it, and say what it does to a stale model."""
    from reports.story import happenings, losses, sketch
    from scenarios.impacts import impact_of

    for line in happenings(scenario):
        say(textwrap.fill(f"- {line}", width=98, subsequent_indent="  "))
    for injector in scenario.drift:
        say(f"  |{sketch(injector, scenario.time.steps)}| {injector.known_as()}")
    if impact := impact_of(scenario):
        say("\n" + "\n".join(wrapped(line) for line in losses(impact)))
    say()


def wrapped(story: str) -> str:
    """Return a story in lines of at most 78 characters."""
    return textwrap.fill(" ".join(story.split()), width=78)


def inline(parameters: Mapping[str, Any]) -> str:
    """Return parameters as they are written, a line each."""
    return "\n".join(f"{key} = {value}" for key, value in parameters.items())
