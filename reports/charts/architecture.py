"""The architecture: which part writes what, with the rows, versions and aliases that a run left behind."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from reports.caption import record_caption, source
from reports.diagram import Box, Diagram
from reports.style import BLUE, GREEN, MUTED, ORANGE, PAPER, SMALL_SIZE, chart, sheet
from reports.text import wrap
from sim.mlops.records.jobs import Alias
from sim.mlops.records.record import Record

_HEIGHT = 4.75
_WORLD = Box(0.2, 1.65, 2.0, 1.45)
_LOOP = Box(3.25, 0.25, 2.35, 4.25)
_LOG = Box(6.75, 2.45, 3.05, 2.05)
_REGISTRY = Box(6.75, 0.45, 3.05, 1.2)
_PARTS = ("Scoring", "Offers", "Monitor", "Policy", "Trainer", "Gates")


def current_aliases(record: Record) -> dict[str, int]:
    """Return the version that each registry alias points to at the end of a record."""
    aliases = {str(Alias.CHAMPION): record.first.version, str(Alias.CHALLENGER): max(versions(record))}
    for change in record.alias_changes:
        aliases[str(change.alias)] = change.version
    return aliases


def versions(record: Record) -> tuple[int, ...]:
    """Return every version that was registered, the first included."""
    return tuple(job.version for job in record.jobs)


@chart
def architecture_chart(record: Record, tables: Mapping[str, int] | None = None) -> Figure:
    """Draw the parts of a run and its stores.

    Parameters
    ----------
    record
        The run.
    tables
        The rows of each table of its database; `None` for a life that was played in memory.
    """
    found = versions(record)
    kept = f"{sum(tables.values()):,} rows in {len(tables)} tables" if tables else "its log in memory"
    finding = f"The run left {len(found):,} model versions in the registry and {kept}."
    page = sheet("What the loop is made of", finding, record_caption(record), _HEIGHT)
    diagram = Diagram(page.body, _HEIGHT)
    told = source(record.population).removeprefix("the ")
    population = wrap(told, _WORLD.width - 0.2, SMALL_SIZE, most_lines=2)
    diagram.box(
        *(_WORLD, "World", (record.scenario.name, *population, "customers, outcomes,", "late labels")), edge=GREEN
    )
    diagram.box(_LOOP, "The loop", (f"policy {record.policy}", f"gates {record.gates}"), fill=PAPER)
    for number, part in enumerate(_PARTS):
        diagram.box(Box(_LOOP.x + 0.2, _LOOP.y + 3.05 - number * 0.58, 1.95, 0.4), part)
    diagram.box(
        _LOG, "Inference log (DuckDB)" if tables else "Inference log (memory)", _table_lines(tables), edge=BLUE
    )
    diagram.box(_REGISTRY, "Registry (MLflow)" if tables else "Registry (memory)", _alias_lines(record), edge=ORANGE)
    _connect(diagram)
    return page.figure


def _connect(diagram: Diagram) -> None:
    middle = (_WORLD.x + _WORLD.width + _LOOP.x) / 2
    diagram.arrow((_WORLD.x + _WORLD.width, 2.65), (_LOOP.x, 2.65))
    diagram.label(middle, 2.9, "batches", 1.0, most_lines=1)
    diagram.arrow((_WORLD.x + _WORLD.width, 2.1), (_LOOP.x, 2.1), is_dashed=True, colour=MUTED)
    diagram.label(middle, 1.85, "labels", 1.0, most_lines=1)
    middle = (_LOOP.x + _LOOP.width + _LOG.x) / 2
    diagram.arrow((_LOOP.x + _LOOP.width, 3.75), (_LOG.x, 3.75))
    diagram.label(middle, 4.0, "writes", 1.0, most_lines=1)
    diagram.arrow((_LOG.x, 3.05), (_LOOP.x + _LOOP.width, 3.05), colour=BLUE)
    diagram.label(middle, 2.8, "is read by", 1.0, most_lines=1)
    diagram.arrow((_LOOP.x + _LOOP.width, 1.4), (_REGISTRY.x, 1.4))
    diagram.label(middle, 1.65, "registers", 1.0, most_lines=1)
    diagram.arrow((_REGISTRY.x, 0.75), (_LOOP.x + _LOOP.width, 0.75), colour=BLUE)
    diagram.label(middle, 0.5, "serves", 1.0, most_lines=1)


def _table_lines(tables: Mapping[str, int] | None) -> list[str]:
    if not tables:
        return ["not kept after the run"]
    listed = [f"{name}: {rows:,} rows" for name, rows in sorted(tables.items(), key=lambda item: -item[1])]
    return listed if len(listed) <= 9 else [*listed[:8], f"and {len(listed) - 8} more tables"]


def _alias_lines(record: Record) -> list[str]:
    found = versions(record)
    aliases = [f"{alias}: v{version}" for alias, version in current_aliases(record).items()]
    return [f"{len(found):,} versions, v{min(found)} to v{max(found)}", *aliases]
