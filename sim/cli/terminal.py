"""What the command line says: progress, words on the way, and what went wrong."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import typer

_SAID: list[int] = []


@contextmanager
def listening(steps: int) -> Iterator[Any]:
    """Show on stderr how a run gets on, if somebody is looking."""
    from sim.mlops.live.run import Listener

    with _bar("starting", steps) as update:
        yield Listener(phase=lambda words: update(description=words), step=lambda row: update(completed=row.step + 1))


@contextmanager
def counting(worlds: int) -> Iterator[Callable[[int], None]]:
    """Show on stderr how many worlds are done."""
    with _bar("playing worlds", worlds) as update:
        yield lambda done: update(completed=done)


@contextmanager
def _bar(description: str, total: int) -> Iterator[Callable[..., None]]:
    """Show a progress bar where stderr is a terminal; yield what moves it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    words, times = TextColumn("{task.description}"), (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (SpinnerColumn(), words, BarColumn(), MofNCompleteColumn(), *times)
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

    told = f"retrainlab: {sentence(words)}"
    _SAID.append(len(told) // terminal_width() + 1)
    typer.echo(told, err=True)


def said_lines() -> int:
    """Return how many lines of a terminal `tell` has taken since `begin_screen`."""
    return sum(_SAID)


def begin_screen() -> None:
    """Count the lines of a command from here on."""
    _SAID.clear()


def terminal_width() -> int:
    """Return how many characters a line of the terminal has; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def complain(problems: Sequence[str]) -> None:
    """Say what went wrong, if anything, and then end with exit code 1."""
    for problem in problems:
        tell(problem)
    if problems:
        raise typer.Exit(1)


def drift_lines(scenario: Any) -> Iterator[str]:
    """Yield what happens in a scenario, drawn, and what it does to a stale model."""
    from reports.story import happenings, losses, sketch
    from scenarios.impacts import impact_of

    yield from (f"- {line}" for line in happenings(scenario))
    for injector in scenario.drift:
        yield f"  |{sketch(injector, scenario.time.steps)}| {injector.known_as()}"
    if impact := impact_of(scenario):
        yield ""
        yield from losses(impact)


def inline(parameters: Mapping[str, Any]) -> str:
    """Return parameters as they are written, a line each."""
    return "\n".join(f"{key} = {value}" for key, value in parameters.items())
