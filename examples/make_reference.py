"""Write the pages of docs/ that are made from the code: `make reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from policies.signals import CATALOGUE
from reports.scores_page import scores_page
from sim.cli.app import app

DOCS = Path(__file__).parents[1] / "docs"
_MADE = "*This page is made from the code by `make reference`.*"
_PREFACE = f"""\
# Command line

A `SCENARIO` is a name of the catalogue or a TOML file; a policy is a name, a TOML file, an expression, or
`file.py:Class`. `--json` prints one JSON object and nothing else; words and progress go to stderr. Exit codes:
0 done, 1 the work failed (or a `--fail-if` holds), 2 bad usage or bad input, 130 interrupted.

{_MADE}
"""
_SIGNALS = f"""\
# Signals

What production could know on a day, and all that a policy sees. A signal is *missing* where it can't be known, and
a comparison with a missing signal is unknown, never true. Signals *on request* are measured only for a policy that
names them.

{_MADE}

| signal | meaning | unit | measured |
|---|---|---|---|"""


def command_line() -> str:
    """Return a page with every command, its arguments and its options."""
    root: Any = typer.main.get_command(app)
    parts = [_PREFACE]
    parts += [_command(name, command) for name, command in _commands("retrainlab", root)]
    return "\n".join(parts)


def _commands(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{path} {name}", command)
        else:
            yield f"{path} {name}", command


def _command(path: str, command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = " ".join([path, *(_argument(param) for param in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {path}\n", f"{command.help}\n", f"```text\n{usage}\n```\n"]
    rows = [*((_argument(p), p) for p in arguments), *((", ".join(p.opts), p) for p in options)]
    if rows:
        lines += ["| option | default | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {_default(param)} | {_cell(param.help or '')} |" for name, param in rows]
        lines.append("")
    return "\n".join(lines)


def _argument(param: Any) -> str:
    name = (param.metavar or param.name).upper()
    name = f"{name}..." if param.nargs == -1 else name
    return name if param.required else f"[{name}]"


def _default(param: Any) -> str:
    if param.required:
        return "required"
    value = param.default
    if value is None or value is False or not str(value) or value == []:
        return ""
    return "`" + (" ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)) + "`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def signals() -> str:
    """Return a page with every signal that a rule may use."""
    lines = [_SIGNALS]
    for info in CATALOGUE.values():
        measured = "on request" if info.on_request else "always"
        lines.append(f"| `{info.name}` | {_cell(info.meaning)} | {_cell(info.unit)} | {measured} |")
    return "\n".join([*lines, ""])


PAGES = {"cli.md": command_line, "signals.md": signals, "scores.md": scores_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
