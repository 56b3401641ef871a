"""Play every family of policies in every world: `python benchmarks/leaderboard.py FOLDER`.

Prints docs/leaderboard.md. The worlds are kept in the folder, so that an interrupted run goes on where it was. On a
cluster: `--engine dask --address tcp://host:8786`, or `--engine spark --address spark://host:7077`.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from reports.leaderboard_tables import rank_words
from scenarios.files import load_scenario
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.boards import Board, BoardRow, Rank
from sim.study.comparison.compare import Study, StudyResult, compare
from sim.study.comparison.contestants import ORACLE, contestants
from sim.study.engines.engine import Engine
from sim.study.inference.verdicts import Told, not_worse, tell
from sim.study.scores.table import RANKED_BY, Score

BASELINE = "never"
FAMILIES = {
    "controls": (BASELINE, "always", "manual", "coin(like=f1_only)"),
    "triggers": ("proposal", "f1_only", "psi_only", "nulls_only", "age_only", "two_of_three", "f1_confirmed"),
    "detectors": ("adwin_errors", "hddm_a", "page_hinkley_errors", "adwin_scores"),
    "label-free": ("f1_estimated", "f1_estimated_or_seen", "f1_delay_adjusted", "score_shift", "two_sample"),
    "calibrated alarms": ("psi_calibrated", "drift_calibrated", "f1_calibrated", "lord_f1"),
    "moving thresholds": ("psi_quantile",),
    "cost-aware": ("cara_cumulative", "expected_value", "forecast"),
    "more than retraining": ("reactive", "ladder", "guarded", "quarantine_only"),
}
"""Those of each family that differ most; the rest of the catalogue are variants of them."""

GROUPS = {
    "Sudden concept drift": ("competitor", "weekly_competitor", "late_labels", "retail"),
    "Slow concept drift": ("migration", "erosion", "fraud"),
    "Drift that passes, and a moved base rate": ("outage", "season", "recession"),
    "Covariate drift": ("proposal", "price_rise", "harmless", "acquisition"),
    "Broken feeds": ("broken_feed", "wrong_units", "renamed_category"),
    "No drift, and labels that mislead": ("steady", "campaign", "early_labels"),
}
DRIFTING = tuple(name for names in GROUPS.values() for name in names if load_scenario(name).onset_step is not None)
GATES = {"retail": "retail_churn", "fraud": "fraud"}
"""The gate profiles of worlds with another base rate; `telco_churn` in all others."""
_GUARD = "quarantine_when='null_rate > 0.10 or unseen_rate > 0.10 or psi_max > 2', recalibrate_first=false"
GUARDS = {
    "f1_only": f"ladder({_GUARD}, cooldown_days=30)",
    "age_only": f"ladder({_GUARD}, trouble_when='age_days > 30', cooldown_days=30)",
    "always": f"ladder({_GUARD}, trouble_when='age_days >= 0', cooldown_days=0)",
}
"""Policies that retrain, each with the one that also sets broken batches apart."""

_GUARDED = {Score.NET_VALUE: ("value", 1000), Score.F1_AFTER: ("F1", 0.01)}
"""The scores that a guard is told by, with their words and units."""

RowsByPolicy = Mapping[str, BoardRow]
"""The rows of a board by policy."""


def main(folder: Path, seeds: int, engine: Engine) -> None:
    """Play what has not been played, and print what came of it."""
    names = [name for family in FAMILIES.values() for name in family]
    worlds = [name for group in GROUPS.values() for name in group if name not in GATES]
    found = [play([*names, ORACLE], worlds, "telco_churn", folder / "telco_churn", seeds, engine)]
    found += [play([*names, ORACLE], [name], gates, folder / gates, seeds, engine) for name, gates in GATES.items()]
    feeds = GROUPS["Broken feeds"]
    guards = play([*GUARDS, *GUARDS.values()], feeds, "telco_churn", folder / "guards", seeds, engine)
    boards = {
        _id(board.scenario): {row.policy: row for row in board.policies}
        for comparison in found
        for board in comparison.leaderboard.boards
    }
    cells = pd.concat([comparison.cells for comparison in found])
    (overall,) = (board for board in found[0].leaderboard.boards if board.is_overall)
    for line in (*page(boards, cells, seeds, overall), *worth_of_guards(guards.cells)):
        print(line)  # noqa: T201 - a script that prints


def _id(scenario: str) -> str:
    """Return the id of a scenario's name, which has its version too."""
    return scenario.partition("@")[0]


def play(
    policies: Sequence[str], scenarios: Sequence[str], gates: str, folder: Path, seeds: int, engine: Engine
) -> StudyResult:
    """Return a comparison, from its folder as far as it is there."""
    study = Study(
        scenarios=tuple(load_scenario(name) for name in scenarios),
        contestants=contestants(policies, {}),
        profiles=(load_profile(gates),),
        seeds=tuple(range(1, seeds + 1)),
        baseline=policies[0],
    )
    return compare(
        study,
        folder,
        workers=engine.workers,
        engine=engine.name,
        address=engine.address,
        resume=folder.exists(),
        on_world=_tell,
    )


def page(boards: Mapping[str, RowsByPolicy], cells: pd.DataFrame, seeds: int, overall: Board) -> Iterator[str]:
    """Yield the tables of the families: the value in each world, the time to the first alarm, and the ranks."""
    yield from (
        "# Leaderboard",
        "",
        f"Every family of policies in every world of the catalogue: {seeds} seeds, the scenario's own population,",
        "gates `telco_churn` (`retail_churn` and `fraud` in the worlds of these names). Written by `python",
        "benchmarks/leaderboard.py`; what it says is told in [policies.md](policies.md).",
        "",
        "Net value less that of `never` in thousands, paired by seed, with intervals that hold together in 95 % of",
        "studies. **Bold**: not shown to be worse than another of its column; the truly best is among these in 95 %",
        "of studies ([verdicts](verdicts.md)). The oracle knows the future.",
    )
    for title, scenarios in GROUPS.items():
        yield from ("", f"## {title}", "")
        yield from table(scenarios, {name: values(boards[name], cells, name) for name in scenarios}, with_oracle=True)
    yield from (
        "",
        "## Days to the first alarm",
        "",
        "From the onset on; a life without an alarm counts as its days to the end, and the share of such lives is in",
        "brackets. Requests by the calendar and quarantines are no alarms.",
        "",
    )
    yield from table(DRIFTING, {name: detection(boards[name]) for name in DRIFTING})
    yield from (
        "",
        "## Ranks",
        "",
        "By the mean net value over all worlds but `retail` and `fraud`, averaged over seeds; 1 is best. The worlds",
        "with most money at stake count most: `competitor`, `late_labels`, `weekly_competitor`. In brackets the",
        "places that the verdicts leave: as many policies are shown to earn more, or less, jointly at 95 %.",
        "",
        *(f"- `{name}` {rank_words(rank)}" for name, rank in ranks(boards[overall.scenario])),
    )


def table(
    scenarios: Sequence[str], columns: Mapping[str, Mapping[str, str]], *, with_oracle: bool = False
) -> Iterator[str]:
    """Yield a table of policies by family and worlds."""
    yield "| policy | " + " | ".join(f"`{name}`" for name in scenarios) + " |"
    yield "|---|" + "---|" * len(scenarios)
    families = {**({"best in hindsight": (ORACLE,)} if with_oracle else {}), **FAMILIES}
    for family, policies in families.items():
        yield f"| *{family}* |" + " |" * len(scenarios)
        for policy in policies:
            yield f"| `{policy}` | " + " | ".join(columns[name][policy] for name in scenarios) + " |"


def values(rows: RowsByPolicy, cells: pd.DataFrame, scenario: str) -> dict[str, str]:
    """Return what each policy earns more than the baseline, with those that may be the best in bold."""
    rivals = [policy for policy in rows if policy != ORACLE]
    net = by_seed(cells, scenario, RANKED_BY)[rivals]
    good = {rivals[index] for index in not_worse(net.to_numpy(dtype=float))}
    told = {}
    for policy, row in rows.items():
        contest = row.against_baseline[RANKED_BY]
        text = "0" if policy == BASELINE else _told(contest.mean, contest.interval)
        told[policy] = f"**{text}**" if policy in good else text
    return told


def by_seed(cells: pd.DataFrame, scenario: str, score: Score) -> pd.DataFrame:
    """Return a score in one world, seeds by policies."""
    return cells[cells["scenario"].map(_id) == scenario].pivot(index="seed", columns="policy", values=score.value)


def detection(rows: RowsByPolicy) -> dict[str, str]:
    """Return the days to the first alarm, with the share of lives that had none."""
    told = {}
    for policy, row in rows.items():
        days, never = row.scores[Score.DETECTION_DAYS], row.never_share[Score.DETECTION_DAYS]
        told[policy] = "-" if days is None or never == 1 else f"{days.mean:.0f} ({never:.0%})"
    return told


def ranks(rows: RowsByPolicy) -> list[tuple[str, Rank]]:
    """Return the policies by their place."""
    found = {policy: row.rank for policy, row in rows.items() if row.rank is not None}
    return sorted(found.items(), key=lambda item: item[1].place)


def worth_of_guards(cells: pd.DataFrame) -> Iterator[str]:
    """Yield what a quarantine adds to policies that retrain."""
    feeds = GROUPS["Broken feeds"]
    yield from (
        "",
        "## What a quarantine is worth",
        "",
        "The same policy with a guard that sets broken batches apart (more than 10 % nulls or unseen categories, or",
        "a PSI above 2; up to six in a row), less the one without: net value in thousands, and F1 after the onset in",
        "points of 0.01. The intervals of a column hold together in 95 % of studies.",
        "",
        "| policy | | " + " | ".join(f"`{name}`" for name in feeds) + " |",
        "|---|---|" + "---|" * len(feeds),
    )
    told = {(feed, score): guard_contests(by_seed(cells, feed, score)) for feed in feeds for score in _GUARDED}
    for policy in GUARDS:
        for score, (words, unit) in _GUARDED.items():
            found = [told[feed, score][policy] for feed in feeds]
            ends = [None if each.interval is None else (each.interval.low, each.interval.high) for each in found]
            texts = [_told(each.mean, interval, unit) for each, interval in zip(found, ends, strict=True)]
            yield f"| `{policy}` | {words} | " + " | ".join(texts) + " |"


def guard_contests(scores: pd.DataFrame) -> Mapping[str, Told]:
    """Return what may be said of each guarded policy less the one without, told as one family."""
    names = [*GUARDS, *GUARDS.values()]
    contests = [(index + len(GUARDS), index) for index in range(len(GUARDS))]
    return dict(zip(GUARDS, tell(scores[names].to_numpy(dtype=float), contests), strict=True))


def _told(mean: float | None, interval: Sequence[float] | None, unit: float = 1000) -> str:
    if mean is None:
        return "-"
    ends = f" ({_signed(interval[0] / unit)} to {_signed(interval[1] / unit)})" if interval else ""
    return _signed(mean / unit) + ends


def _signed(value: float) -> str:
    return "0" if abs(value) < 0.05 else f"{value:+.1f}"


def _tell(done: int) -> None:
    print(done, "worlds", file=sys.stderr, flush=True)  # noqa: T201 - a script that prints


def _arguments() -> tuple[Path, int, Engine]:
    """Return what the command line asks for."""
    parser = ArgumentParser(description="Play every family of policies in every world.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="processes")
    parser.add_argument("--address", default="")
    asked = parser.parse_args()
    return asked.folder, asked.seeds, Engine(asked.engine, asked.address, asked.workers)


if __name__ == "__main__":
    main(*_arguments())
