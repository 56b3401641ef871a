"""When, on what, and through which gate: how much each lever is worth, over all scenarios.

    python benchmarks/levers.py FOLDER 1-10

plays every combination of the three levers in every world of these seeds and writes a file each into FOLDER; those
that are there already are not played again. `python benchmarks/levers.py FOLDER` says what comes of it, as the tables
of docs/training.md, and draws docs/levers.svg.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.lines import Line2D
from scipy.stats import t as student

from policies.catalogue import load_policy
from scenarios.files import catalogue
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.study.replay.replay import Replay
from sim.study.scores.judge import summarise
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

WHEN = ("f1_only", "every")
WHAT = ("mix_70_30", "newest", "history", "since_change", "tournament")
GATES = ("none", "telco_churn", "non_inferiority")
PROPOSAL = ("proposal", "mix_70_30", "telco_churn")
OWN_GATES = {"fraud": "fraud", "retail": "retail_churn"}
"""The seven gates of worlds whose base rate is not Telco's."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The net value of one combination in one world, in thousands and against never retraining."""

    scenario: str
    seed: int
    when: str
    what: str
    gates: str
    gain: float
    retrains: int
    promotions: int


def combinations() -> list[tuple[str, str, str]]:
    """Return every combination, and the proposal's own."""
    return [(when, what, gates) for when in WHEN for what in WHAT for gates in GATES] + [PROPOSAL]


def play(scenario: Scenario, seed: int, population: str) -> list[Cell]:
    """Play every combination in one world."""
    replay = Replay(World(scenario, seed, PopulationSpec(population).load(scenario)[0], kept_steps=None))
    free = load_profile("none")
    never = summarise(replay.record(load_policy("never").build(), free, "never")).net_value
    cells = []
    for when, what, gates in combinations():
        profile = load_profile(OWN_GATES.get(scenario.id, gates) if gates == "telco_churn" else gates)
        record = replay.record(load_policy(when).build(), profile, when, training=load_training(what))
        told = summarise(record)
        gain = (told.net_value - never) / 1000
        cells.append(Cell(scenario.id, seed, when, what, gates, gain, told.retrains, told.promotions))
    return cells


def campaign(folder: Path, seeds: range) -> None:
    """Play every world that the folder does not hold yet, one file a world."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for scenario in catalogue().values():
            path = folder / f"{scenario.id}-{seed}.json"
            if path.exists():
                continue
            cells = play(scenario, seed, scenario.population)
            part = path.with_suffix(".part")
            part.write_text(json.dumps([asdict(cell) for cell in cells]), encoding="utf-8")
            part.replace(path)
            print(path.name, flush=True)  # noqa: T201 - a script that prints


def gains(folder: Path) -> pd.DataFrame:
    """Return a row each combination and a column each world, of the scenarios that all seeds have been played in.

    The values are gains over never retraining, in thousands.
    """
    cells = [cell for path in sorted(folder.glob("*.json")) for cell in json.loads(path.read_text(encoding="utf-8"))]
    table = pd.DataFrame(cells).pivot_table(
        index=["when", "what", "gates"], columns=["scenario", "seed"], values="gain", observed=True
    )
    seeds = table.columns.to_frame(index=False).groupby("seed")["scenario"].nunique()
    whole = seeds[seeds == len(catalogue())].index
    return table.loc[:, table.columns.get_level_values("seed").isin(whole)]


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Return how much of the variance over combinations each lever explains, a row a scenario.

    Of means over seeds: the sum of squares of each lever alone, which add up on a full factorial (analysis of
    variance), and the rest, which is what levers do together. A scenario in which nothing matters has no say.
    """
    full = table.drop(index=[PROPOSAL]).T.groupby("scenario").mean().T
    deviations = full - full.mean()
    whole = (deviations**2).sum()
    alone = {
        name: (deviations.groupby(name).transform("mean") ** 2).sum() / whole for name in ("when", "what", "gates")
    }
    told = pd.DataFrame(alone)[whole >= 1]
    return told.assign(together=1 - told.sum(axis=1))


def board(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each combination its mean gain over scenarios, the paired difference from the proposal, its worst.

    Intervals are 95 % t-intervals over scenarios, of means over seeds. `worst` is the largest regret in any scenario
    against the best combination there.
    """
    gain = table.T.groupby("scenario").mean().T
    rows: Any = gain.loc  # pandas' stubs know no key of three texts
    more = gain - rows[PROPOSAL]
    regret = gain.max(axis=0) - gain
    told = pd.DataFrame({"mean": gain.mean(axis=1), "more": more.mean(axis=1), "half": half_width(more.T)})
    return told.assign(worst=regret.max(axis=1), where=regret.idxmax(axis=1)).sort_values("mean", ascending=False)


def half_width(values: pd.DataFrame) -> pd.Series:
    """Return half the width of a 95 % t-interval of the mean of each column."""
    n_rows = len(values)
    half: pd.Series = student.ppf(0.975, n_rows - 1) * values.std() / n_rows**0.5
    return half


def names_of(key: Any) -> tuple[str, str, str]:
    """Return the names of the three levers in a row's key."""
    when, what, gates = key
    return str(when), str(what), str(gates)


def tell(folder: Path) -> None:
    """Print the tables, and draw the picture."""
    table = gains(folder)
    found, parts = board(table), shares(table)
    n_seeds, wide = table.columns.get_level_values("seed").nunique(), half_width(parts)
    lines = [f"{n_seeds} seeds of {len(catalogue())} scenarios; of the spread, by lever:"]
    lines += [f"{name} {parts[name].mean():.0%} (+- {wide[name]:.0%})" for name in map(str, parts)]
    lines += ["", "| when | on what | gates | mean gain | less the proposal | worst regret | in |", "|" + "---|" * 7]
    for key, row in found.iterrows():
        when, what, gates = names_of(key)
        more = f"{row['more']:+.1f} ({row['more'] - row['half']:+.1f} to {row['more'] + row['half']:+.1f})"
        told = (when, what, gates, f"{row['mean']:.1f}", more, f"{row['worst']:.1f}", row["where"])
        lines.append(f"| {' | '.join(map(str, told))} |")
    print("\n".join(lines))  # noqa: T201 - a script that prints
    draw(found, Path("docs/levers.svg"))


def draw(found: pd.DataFrame, path: Path) -> None:
    """Draw mean gain against worst regret, a mark each combination: colour says on what, shape through which gate."""
    figure, axes = plt.subplots(figsize=(10.0, 4.6), layout="constrained")
    colours = dict(zip(WHAT, ("#0072B2", "#D55E00", "#7F7F7F", "#009E73", "#CC79A7"), strict=True))
    shapes = dict(zip(GATES, ("o", "s", "^"), strict=True))
    for key, row in found.iterrows():
        when, what, gates = names_of(key)
        is_proposal = (when, what, gates) == PROPOSAL
        face = "none" if when == "every" else colours[what]
        axes.plot(
            row["mean"],
            row["worst"],
            "*" if is_proposal else shapes[gates],
            color=colours[what],
            markerfacecolor="black" if is_proposal else face,
            markersize=14 if is_proposal else 8,
        )
    marks = [Line2D([], [], marker="o", linestyle="", color=colours[what], label=what) for what in WHAT]
    marks += [
        Line2D([], [], marker=shape, linestyle="", color="black", markerfacecolor="none", label=f"gates: {name}")
        for name, shape in shapes.items()
    ]
    marks.append(Line2D([], [], marker="o", linestyle="", color="black", label="filled: f1_only; open: quarterly"))
    marks.append(Line2D([], [], marker="*", linestyle="", color="black", markersize=12, label="the proposal"))
    figure.legend(handles=marks, fontsize=8, loc="outside right upper")
    axes.set(
        xlabel="mean gain over never retraining, all scenarios (thousands; right is better)",
        ylabel="largest regret in any scenario (lower is better)",
        title="On what decides more than when",
    )
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) == 2:
        tell(Path(sys.argv[1]))
    else:
        first, last = (int(text) for text in sys.argv[2].split("-"))
        campaign(Path(sys.argv[1]), range(first, last + 1))
