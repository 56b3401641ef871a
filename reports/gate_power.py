"""The power of gates, as sentences, tables and a chart."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from reports.tables import rows_table
from sim.errors import InputError
from sim.study.gate_power import ALL, Power, PowerResult

_SUFFIXES = (".svg", ".png")
_PANEL_INCHES = (4.2, 3.6)


def power_screen(result: PowerResult) -> list[RenderableType]:
    """Return what a reader may conclude, and for each profile the pass rate of all gates together by holdout size."""
    parts: list[RenderableType] = list(power_sentences(result))
    for profile in _values(result, "profile"):
        title = f"{profile}: % let through by all gates together, by challenger's true F1 less champion's"
        rows = [
            {"holdout rows": f"{holdout:,}"}
            | {f"{p.difference:+.2f}": _share(p) for p in result.powers if (p.profile, p.holdout, p.gate) == key}
            for holdout in _values(result, "holdout")
            for key in [(profile, holdout, ALL)]
        ]
        parts.append(rows_table(title, rows))
    return [*parts, "± is half a 95 % interval over worlds; --all has a table for each holdout size, gate by gate."]


def power_tables(result: PowerResult) -> list[RenderableType]:
    """Return what a reader may conclude, and for each profile and holdout size the pass rate of every gate."""
    parts: list[RenderableType] = list(power_sentences(result))
    for profile in _values(result, "profile"):
        for holdout in _values(result, "holdout"):
            chosen = [p for p in result.powers if (p.profile, p.holdout) == (profile, holdout)]
            title = (
                f"{profile}, {holdout} holdout rows: % let through, by challenger's true F1 less champion's\n"
                "(± is half a 95 % interval over worlds, cut at 0 and 100 %)"
            )
            parts.append(rows_table(title, [_row(gate, chosen) for gate in dict.fromkeys(p.gate for p in chosen)]))
    return parts


def power_sentences(result: PowerResult) -> Iterator[str]:
    """Yield the headline figures: the models' level and noise, and how each profile errs at each holdout size."""
    yield (
        f"True F1 of the models: {result.true_f1:.3f}. It moves by {result.retraining_sd:.4f} with another training "
        f"seed and by {result.rows_sd:.4f} with other rows of the same world (standard deviations)."
    )
    for power in result.powers:
        if power.gate == ALL and power.difference == 0:
            rejected = f"{_percent(1 - power.passed)} of equal models are rejected"
            worse = next((p for p in _siblings(result, power) if p.difference == -0.05), None)
            accepted = f", and {_percent(worse.passed)} of those 0.05 F1 worse let through" if worse else ""
            open_share = f"; too little evidence: {_percent(power.undecided)}" if power.undecided else ""
            yield f"{power.profile}, {power.holdout} rows: {rejected}{accepted}{open_share}."


def check_chart_path(path: Path) -> None:
    """Raise `InputError` unless a chart can be written to a path, as far as its name tells."""
    if path.suffix not in _SUFFIXES:
        raise InputError(f"a chart must be a file ending in {' or '.join(_SUFFIXES)}, got {path}.")
    if not path.parent.is_dir():
        raise InputError(f"a chart must go into a folder that is there, got {path}.")


def draw_power(result: PowerResult, path: Path) -> None:
    """Draw the pass rate of all gates together over holdout size, a panel a profile and a line a true difference."""
    from matplotlib import rc_context  # noqa: PLC0415 - takes a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - likewise

    names, differences = _values(result, "profile"), _values(result, "difference")
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(names), height), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        for difference in differences:
            line = [p for p in result.powers if (p.profile, p.gate, p.difference) == (name, ALL, difference)]
            below = [p.passed - p.interval.low for p in line]
            above = [p.interval.high - p.passed for p in line]
            panel.errorbar(
                [p.holdout for p in line],
                [p.passed for p in line],
                yerr=(below, above),
                marker="o",
                markersize=4,
                capsize=2,
                color=_colour(difference, max(map(abs, differences))),
                label=f"{difference:+.2f}" if difference else "equal",
            )
        panel.set(xscale="log", xlabel="holdout rows", title=name, ylim=(0, 1))
        panel.set_xticks(_values(result, "holdout"), [str(size) for size in _values(result, "holdout")])
        panel.minorticks_off()
    panels[0].set_ylabel("share of challengers let through")
    panels[-1].legend(title="true F1 less\nchampion's", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    with rc_context({"svg.hashsalt": "power"}):  # equal figures make equal files
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})


def _colour(difference: float, largest: float) -> tuple[float, float, float]:
    """Return a grey for no difference, a red for a worse challenger and a blue for a better one."""
    depth = 0.75 * abs(difference) / largest if largest else 0.0
    faded = 0.45 * (1 - depth)
    return (0.85 * depth + faded, faded, faded) if difference < 0 else (faded, faded, 0.85 * depth + faded)


def _row(gate: str, chosen: Sequence[Power]) -> dict[str, str]:
    return {"gate": gate, **{f"{p.difference:+.2f}": _share(p) for p in chosen if p.gate == gate}}


def _share(power: Power) -> str:
    return f"{100 * power.passed:.0f} ±{50 * (power.interval.high - power.interval.low):.0f}"


def _siblings(result: PowerResult, power: Power) -> Iterator[Power]:
    """Yield the powers of the same profile, gate and holdout."""
    key = (power.profile, power.gate, power.holdout)
    return (p for p in result.powers if (p.profile, p.gate, p.holdout) == key)


def _values(result: PowerResult, name: str) -> list[Any]:
    """Return the values that an attribute takes, in order of their first occurrence."""
    return list(dict.fromkeys(getattr(power, name) for power in result.powers))


def _percent(share: float) -> str:
    return f"{share:.0%}"
