"""The screen: what a command found, in at most forty lines unless all is asked for."""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Annotated, Any

import typer

from sim.cli.terminal import said_lines, say, terminal_width

MOST_LINES = 40
"""Lines of a command's output, what it told on the way among them."""

Whole = Annotated[bool, typer.Option("--all", help=f"Show all, however long; at most {MOST_LINES} lines without.")]


def show_screen(parts: Sequence[Any], closing: Sequence[str] = (), *, whole: bool = False) -> None:
    """Print sentences, which are wrapped, and whatever rich can draw, and then the closing lines as they are.

    What does not fit on a screen is left out and counted, unless `whole`; the closing lines are always there.
    """
    lines = [line for part in parts for line in _lines(part)]
    room = _room(closing)
    if not whole and len(lines) > room:
        left_out = len(lines) - room + 1
        lines = [*lines[: max(room - 1, 0)], f"... {left_out:,} more lines; --all shows them"]
    for line in (*lines, *closing):
        say(line)


def show(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool, whole: bool = False) -> None:
    """Show rows as a table, as many as fit on a screen, or as one JSON object under the title."""
    if as_json:
        typer.echo(json.dumps({title.lower().replace(" ", "_"): list(rows)}))
        return
    from reports.tables import rows_table

    show_rows(lambda shown: [rows_table(title, shown)], rows, whole=whole)


def show_rows(
    draw: Callable[[Sequence[Any]], Sequence[Any]],
    rows: Sequence[Any],
    closing: Sequence[str] = (),
    *,
    whole: bool = False,
    most: int | None = None,
) -> None:
    """Show what `draw` makes of rows: of `most` at most, and of no more than fit on a screen, unless `whole`."""
    shown = len(rows) if whole else min(most or len(rows), len(rows))
    parts = draw(rows[:shown])
    while not whole and shown > 1 and sum(len(list(_lines(part))) for part in parts) + 1 > _room(closing):
        shown -= 1
        parts = draw(rows[:shown])
    left_out = [f"and {len(rows) - shown:,} more; --all shows them"] if shown < len(rows) else []
    show_screen(parts, [*left_out, *closing], whole=whole)


def show_one(title: str, facts: Mapping[str, Any], *, as_json: bool, whole: bool = False) -> None:
    """Show the facts of one thing below each other."""
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        rows = [{"fact": name.replace("_", " "), "value": value} for name, value in facts.items()]
        show(title, rows, as_json=False, whole=whole)


def _room(closing: Sequence[str]) -> int:
    return MOST_LINES - len(closing) - said_lines()


def _lines(part: Any) -> Iterator[str]:
    width = terminal_width()
    if isinstance(part, str):
        for line in part.split("\n"):
            yield from textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
        return
    from rich.console import Console

    drawn = StringIO()
    Console(file=drawn, width=width).print(part)
    yield from (line.rstrip() for line in drawn.getvalue().rstrip("\n").split("\n"))
