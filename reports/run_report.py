"""The report of one run: what was asked, what came of it, the pictures, and every decision."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from policies.catalogue import catalogue, load_policy
from reports.amounts import other_prices_words
from reports.caption import onset_words, source, step_word
from reports.charts.accuracy import accuracy_chart
from reports.charts.architecture import architecture_chart
from reports.charts.before_after import Side, before_after_chart
from reports.charts.champion import champion_chart
from reports.charts.drift import drift_chart
from reports.charts.label_timeline import label_timeline_chart
from reports.charts.loop import loop_chart
from reports.charts.risk import risk_chart
from reports.charts.roi import roi_chart
from reports.charts.segments import segments_chart
from reports.charts.training_data import training_data_chart
from reports.charts.trigger import trigger_chart
from reports.history import RECORDED, told_record
from reports.learnt import learnt_tables
from reports.log_facts import LogFacts, read_log_facts
from reports.page import Page, PageTable, Section, report_command
from reports.run_first_page import run_first_page
from reports.save import save
from reports.tables import news
from scenarios.files import load_scenario, parse_scenario, to_toml
from sim.errors import InputError
from sim.mlops.records.record import Record, StepRow
from sim.mlops.stores.claim import SETTINGS_FILE
from sim.study.run_folder import read_record
from sim.study.scores.judge import Summary, expected_f1, summarise
from sim.study.scores.monthly import monthly
from sim.study.scores.pricing import PriceChange, reprice_record

_OPENINGS = ("before_after", "accuracy")
_OF_A_DRIFT = {"f1_before", "f1_after", "false_retrains_alarm", "false_retrains_scheduled", "false_alarms_per_year"}


def run_page(folder: Path, pictures: Path, change: PriceChange, against: Path | None = None) -> Page:
    """Draw the pictures of a run into a folder and return its page.

    Parameters
    ----------
    folder
        The run.
    pictures
        Where the pictures go.
    change
        Prices that replace those of the scenario.
    against
        Another run of the same scenario, population and seed, drawn as `before`.

    Raises
    ------
    InputError
        If a folder holds no record, or the other run lived in another world.
    """
    played = told_record(read_record(folder))
    record = reprice_record(played, change)
    if not record.steps:
        msg = f"a report needs a run of at least 1 step, but {folder} holds none; play it first."
        raise InputError(msg)
    facts = read_log_facts(folder)
    drawn = dict(run_charts(record, facts))
    before = None
    if against is not None:
        before = reprice_record(told_record(read_record(against)), change)
        _check_same_world(record, before, against)
        drawn["before_after"] = _before_after(before, record)
    saved = [save(figure, pictures, name) for name, figure in drawn.items()]
    opening = next((picture for name in _OPENINGS for picture in saved if picture.name == name), None)
    section = Section(
        title=f"{_world(record)} under {record.policy}",
        scenario=record.scenario.name,
        pictures=[picture for picture in saved if picture is not opening],
        tables=[
            *learnt_tables(record),
            PageTable("Scores", list(_scores(summarise(record), is_recorded=record.is_recorded))),
        ],
    )
    return Page(
        title=f"{_world(record)}: {record.policy}",
        first=run_first_page(record, before),
        asked=_asked(record),
        opening=opening,
        sections=[section],
        log=[PageTable("Every decision", [_decision(record, row) for row in record.steps])],
        commands=[_run_command(played, folder), report_command(folder, change)],
        notes=_notes(facts, change),
        texts={"scenario.toml": to_toml(played.scenario), "policy.toml": record.policy_toml},
        scenarios=[record.scenario.name],
        policies=[record.policy],
    )


def _world(record: Record) -> str:
    """Return what a run was played in: the title of its scenario, or the name of its history."""
    return f"Backtest of {record.population}" if record.is_recorded else record.scenario.title


def run_charts(record: Record, facts: LogFacts | None) -> Iterator[tuple[str, Figure]]:
    """Yield every chart of one run by name; without an inference log those of single customers are left out."""
    yield "loop", loop_chart(record)
    yield "architecture", architecture_chart(record, facts.tables if facts else None)
    yield "accuracy", accuracy_chart(record)
    yield "trigger", trigger_chart(record)
    yield "training_data", training_data_chart(record)
    yield "champion_challenger", champion_chart(record)
    if facts:
        yield "label_timeline", label_timeline_chart(record, facts.arrivals)
    yield "drift_psi", drift_chart(record)
    yield "drift_ks", drift_chart(record, "ks_p")
    yield "roi", roi_chart(record)
    yield "risk", risk_chart(record)
    if facts and facts.segments:
        yield "segments", segments_chart(record, facts.segments)


def _before_after(before: Record, after: Record) -> Figure:
    then, now = (Side(record.policy, (monthly(record),)) for record in (before, after))
    return before_after_chart(
        *(then, now, after.scenario, [after.seed], after.population, after.gates), is_history=after.is_recorded
    )


def _check_same_world(record: Record, other: Record, path: Path) -> None:
    for name in ("scenario", "population", "seed"):
        if getattr(record, name) != getattr(other, name):
            msg = f"--against needs a run of the same scenario, population and seed, but {path} has another {name}."
            raise InputError(msg)


def _asked(record: Record) -> dict[str, str]:
    scenario = record.scenario
    when = RECORDED if record.is_recorded else onset_words(scenario)
    return {
        "History" if record.is_recorded else "Scenario": f"{scenario.name}: {scenario.title}",
        "Story": " ".join(scenario.story.split()) or "-",
        "Policy": record.policy,
        "Gates": record.gates,
        "Models learn by": record.training,
        "Customers": f"{source(record.population)}, {scenario.time.customers:,} a {step_word(scenario.time)}",
        "Time": f"{len(record.steps)} steps of {scenario.time.step_days} days; {when}",
        "Seed": str(record.seed),
    }


def _scores(summary: Summary, *, is_recorded: bool) -> Iterator[dict[str, Any]]:
    """Yield each score; of a history those are left out that can't be known of one."""
    for name in summary.__slots__:
        value = getattr(summary, name)
        if is_recorded and (value is None or name in _OF_A_DRIFT):
            continue
        told = name.replace("_", " ")
        if name == "roi_estimated" and value is not None:
            yield {"score": told, "value": f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"}
        else:
            yield {"score": told, "value": _number(value)}


def _decision(record: Record, row: StepRow) -> dict[str, Any]:
    seen = {name: value for name, value in row.decision.evidence.items() if value is not None}
    return {
        "step": row.step,
        "day": row.day,
        "policy": record.policy,
        "model": f"v{row.version}",
        "F1, recorded labels" if record.is_recorded else "true F1": _number(expected_f1(row.tally)),
        "F1 seen": _number(row.signals.f1),
        "decision": str(row.decision.action),
        "reason": row.decision.reason,
        "signals seen": ", ".join(f"{name} {_number(value)}" for name, value in seen.items()) or "-",
        "what happened": "; ".join(news(record, row)) or "-",
    }


def _run_command(record: Record, folder: Path) -> str:
    """Return the command that plays the run again."""
    population = record.measured.get("population_arguments") or ["--population", record.population]
    is_own = record.training != record.scenario.training.profile
    training = ["--training", record.training] if is_own else []
    words = [
        *("retrainlab", "run", _scenario_text(record, folder), "--policy", _policy_text(record, folder)),
        *("--gates", record.gates, *training, *population),
        *("--seed", str(record.seed), "--trials", str(record.trials)),
        *_stores(folder),
    ]
    return shlex.join(words)


def _stores(folder: Path) -> Iterator[str]:
    """Yield the options that name the stores and the model of a run, where they were not its own."""
    try:
        known = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        scenario = parse_scenario(known["scenario"], SETTINGS_FILE)
        asked = {f"--{name}-uri": str(known[f"{name}_uri"]) for name in ("tracking", "registry")}
        asked["--model-name"] = str(known["model_name"])
    except (OSError, ValueError, LookupError, TypeError):  # a record alone can be reported too
        return
    for option, value in asked.items():
        if value and value != f"retrainlab-{scenario.id}":
            yield from (option, value)


def _scenario_text(record: Record, folder: Path) -> str:
    try:
        is_shipped = to_toml(load_scenario(record.scenario.name)) == (folder / "scenario.toml").read_text("utf-8")
    except (InputError, OSError):
        is_shipped = False
    return record.scenario.name if is_shipped else str(folder / "scenario.toml")


def _policy_text(record: Record, folder: Path) -> str:
    try:
        is_data = record.policy in catalogue() or ".py:" not in record.policy  # a record can't have code run
        is_known = is_data and load_policy(record.policy).to_toml() == record.policy_toml
    except InputError:
        is_known = False
    return record.policy if is_known else str(folder / "policy.toml")


def _notes(facts: LogFacts | None, change: PriceChange) -> list[str]:
    notes = []
    if told := other_prices_words(change, "run"):
        notes.append(told)
    if facts is None:
        notes.append("The folder holds no inference log, so there is no picture of label days and segments.")
    elif not facts.segments:
        notes.append("The population has other columns than the Telco table, so there is no picture of segments.")
    return notes


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
