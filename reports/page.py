"""The page: one HTML file that needs nothing else, from what it should say."""

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from reports.embedded import data_uri
from reports.explorer import Explorer
from reports.first_page import FirstPage
from reports.save import Picture
from scenarios.files import load_scenario
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.shown_text import redacted, visible
from sim.study.scores.pricing import PriceChange

_BACKTICKS = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table whose columns are the keys of its rows; the filter reads the columns `policy` and `scenario`."""

    title: str
    rows: Sequence[Mapping[str, Any]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.rows[0]) if self.rows else ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with sentences, pictures and tables; `scenario` is what the filter of scenarios reads."""

    title: str
    scenario: str
    sentences: Sequence[tuple[str, str]] = ()
    """Each with the policy that it speaks of."""
    pictures: Sequence[Picture] = ()
    tables: Sequence[PageTable] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What a report says: the first page, the evidence in sections, and the machinery.

    The machinery is what was asked, the decision log and how to make it again. `opening` is the picture of the first
    page, `explorer` tells of any setting in the page itself.
    """

    title: str
    first: FirstPage
    asked: Mapping[str, str]
    sections: Sequence[Section]
    log: Sequence[PageTable]
    commands: Sequence[str]
    opening: Picture | None = None
    notes: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    scenarios: Sequence[str] = ()
    policies: Sequence[str] = ()
    explorer: Explorer | None = None


def scenario_text(scenario: Scenario) -> str:
    """Return a scenario's name in the catalogue, or the file that its text in a page would make."""
    try:
        shipped = load_scenario(scenario.name)
        is_shipped = shipped.model_copy(update={"title": scenario.title, "story": scenario.story}) == scenario
    except InputError:
        is_shipped = False
    return scenario.name if is_shipped else f"{scenario.name}.toml"


def report_command(folder: Path, change: PriceChange) -> str:
    """Return the command that makes a report again, at the same prices.

    >>> report_command(Path("runs/a b"), {"success_rate": 0.4})
    "retrainlab report 'runs/a b' --price success_rate=0.4"
    """
    prices = [f"{name}={value if isinstance(value, str) else f'{value:.12g}'}" for name, value in change.items()]
    return shlex.join(["retrainlab", "report", str(folder), *(["--price", *prices] if prices else [])])


def render(page: Page) -> str:
    """Return the page as HTML that makes no request: pictures, style and script are inside.

    Whatever came from data is escaped, and a content policy lets no script run but the page's own.
    """
    style, script = _part("report.css"), _part("report.js")
    if page.explorer is not None:
        script = f"{script}\n{_part('explorer.js')}"
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    environment.filters["data_uri"] = lambda svg: Markup(data_uri(svg))  # it has no double quotes
    environment.filters["code"] = _code
    environment.filters["json"] = lambda values: json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    template = environment.from_string(_part("report.html"))
    return template.render(
        page=page,
        style=Markup(style),  # the package's own file
        script=Markup(script),  # the package's own file
        explorer_data=Markup(page.explorer.data if page.explorer else ""),  # JSON without <, > and &
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _shown(value: Any) -> Any:
    """Return what the page shows for a value of any expression; the package's own style and script stay."""
    return visible(redacted(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def _code(text: str) -> Markup:
    """Return a text with what stands between backticks set as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(_shown(text)))))  # escaped before


def _part(name: str) -> str:
    return (files("reports") / "template" / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """Return the hash by which a content policy knows a style or script."""
    return b64encode(sha256(text.encode()).digest()).decode()
