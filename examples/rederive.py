"""Compute the scores of a comparison again from its steps: `python examples/rederive.py FOLDER`.

Nothing of retrainlab is imported. `steps.parquet` has every life step by step, `study.json` the scenarios with their
prices; from these scores are computed by their definitions (docs/scores.md) and compared with `results.parquet`, cell
by cell, and with the means of `leaderboard.json`. The exit code is 1 where any differs by more than rounding. What
takes models is given: what was predicted, the F1 of fresh models, and the oracle's life.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd

WORLD = ["scenario", "gates", "seed"]
CELL = [*WORLD, "policy"]
TOLERANCE = 1e-9
CENSORED = ("detection_days", "recovery_days")  # on a board one that never came counts as the days to the end
COUNTED = {"recalibrations": "recalibrate", "rollbacks": "rollback", "quarantines": "quarantine"}


def main(folder: Path) -> int:
    """Print how far every score is from what the folder says; return the exit code."""
    scenarios = read_scenarios(folder / "study.json")
    steps = with_f1(pd.read_parquet(folder / "steps.parquet"))
    mine = cell_scores(steps, scenarios)
    said = pd.read_parquet(folder / "results.parquet").set_index(CELL)
    said = said[said["error"].isna() & said["net_value"].notna()]
    mine["regret"] = mine["regret"].where(said["regret_missing"].isna())  # where the oracle can't do what was done
    gaps = {name: gap(mine[name].reindex(said.index), said[name]) for name in mine}
    boards = board_gaps(mine, json.loads((folder / "leaderboard.json").read_text(encoding="utf-8")))
    print(f"{len(said)} cells, {len(steps)} steps; the largest relative difference of each score:")  # noqa: T201
    for name in [*mine, *boards.keys() - mine]:
        print(f"  {name:26} cells {gaps.get(name, 0):.1e}   board {boards.get(name, 0):.1e}")  # noqa: T201
    return int(max([*gaps.values(), *boards.values()]) > TOLERANCE)


def read_scenarios(path: Path) -> pd.DataFrame:
    """Return what scores need of each scenario: its prices, days a step, and the step at which its drift begins."""
    rows = {}
    for text in json.loads(path.read_text(encoding="utf-8"))["scenarios"]:
        scenario = tomllib.loads(text)
        onset = min((each["onset_step"] for each in scenario["drift"]), default=np.nan)
        times = {"step_days": scenario["time"]["step_days"], "onset": onset}
        rows[f"{scenario['id']}@{scenario['version']}"] = {**scenario["prices"], **times}
    return pd.DataFrame.from_dict(rows, orient="index")


def with_f1(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the steps with the expected and the observed F1 of each, and those of fresh and stale models beside."""
    for name, kind in (("f1", "expected_churners"), ("f1_observed", "churners")):
        f1 = 2 * steps[f"predicted_{kind}"] / (steps["predicted"] + steps[kind])
        steps[name] = f1.where((steps[kind] > 0) & (steps[kind] < steps["customers"]))  # one class has no F1
    own = {"f1": "stale", "fresh_f1": "fresh", "fresh_noise": "noise"}
    never = steps[steps["role"] == "never"].rename(columns=own)[[*WORLD, "step", *own.values()]]
    return steps.merge(never, on=[*WORLD, "step"], validate="m:1")


def cell_scores(steps: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each cell, by scenario, gates, seed and policy."""
    best = steps[steps["role"] == "oracle"].groupby(WORLD)
    oracle = {world: money(life, scenarios.loc[world[0]])["net_value"] for world, life in best}
    lives = steps[steps["role"] == "policy"].groupby(CELL)
    found = {cell: scores(life, scenarios.loc[cell[0]], oracle.get(cell[:3], np.nan)) for cell, life in lives}
    return pd.DataFrame(found).T.rename_axis(CELL)


def scores(life: pd.DataFrame, scenario: pd.Series, oracle: float) -> dict[str, float]:
    """Return the scores of one life, its steps in order."""
    life = life.sort_values("step")
    asked, after = life["models_trained"] > 0, life["step"] >= scenario["onset"]  # never after, where nothing drifts
    is_alarm = asked & (life["cause"] == "alarm")
    caused = life.loc[is_alarm & after & (life["is_false_alarm"] != True), "step"]  # noqa: E712 - it may be missing
    quiet_years = (~after).sum() * scenario["step_days"] / 365.25
    earned = money(life, scenario)
    return {
        "f1_before": life.loc[~after, "f1"].mean(),
        "f1_after": life.loc[after, "f1"].mean(),
        "f1_end": life["f1"].tail(6).mean(),
        "f1_observed": life["f1_observed"].mean(),
        "precision_at_capacity": life["offered_expected_churners"].sum() / life["offers"].sum(),
        "retrains": asked.sum(),
        "promotions": (life["ended"] == "promoted").sum(),
        "rejections": (life["ended"] == "rejected").sum(),
        **{score: (life["action"] == action).sum() for score, action in COUNTED.items()},
        "false_alarms_per_year": (is_alarm & ~after).sum() / quiet_years if quiet_years else np.nan,
        "detection_days": (caused.min() - scenario["onset"]) * scenario["step_days"],
        "staleness_days": (life["step"] - life["newest_label_step"]).mean() * scenario["step_days"],
        **earned,
        "regret": oracle - earned["net_value"],
        **recovery(life[after], scenario),
    }


def money(life: pd.DataFrame, scenario: pd.Series) -> dict[str, float]:
    """Return what a life earned: customers saved, less offers and retrainings."""
    spent = life["offers"].sum() * scenario["offer_cost"] + life["models_trained"].sum() * scenario["retrain_cost"]
    saved = life["offered_expected_churners"].sum() * scenario["success_rate"]
    return {
        "net_value": saved * scenario["customer_value"] - spent,
        "net_value_realised": life["saved"].sum() * scenario["customer_value"] - spent,
    }


def recovery(life: pd.DataFrame, scenario: pd.Series) -> dict[str, float]:
    """Return what a life won back of what the drift took, and the days until nine tenths were back for two steps."""
    life = life.dropna(subset=["f1", "stale", "fresh"])
    gained, attainable = life["f1"] - life["stale"], life["fresh"] - life["stale"]
    lost_since = life.loc[attainable > life["noise"], "step"].min()
    is_back = (life["step"] >= lost_since) & (attainable > 0) & (gained >= 0.9 * attainable)
    first = life.loc[is_back & is_back.shift(-1, fill_value=False), "step"].min()
    sums = {"recovery_gained": gained.sum(min_count=1), "recovery_attainable": attainable.sum(min_count=1)}
    return {**sums, "recovery_days": (first - scenario["onset"]) * scenario["step_days"]}


def gap(mine: pd.Series, said: pd.Series) -> float:
    """Return the largest difference, relative to what was said; infinite where only one is missing."""
    mine, said = mine.astype(float), said.astype(float)
    if (mine.isna() != said.isna()).any():
        return np.inf
    return float(np.nanmax([0.0, *((mine - said).abs() / said.abs().clip(lower=1))]))


def board_gaps(mine: pd.DataFrame, leaderboard: dict) -> dict[str, float]:
    """Return the largest difference of each score's mean, of recoveries and of what is paired, by scenario."""
    found: dict[str, float] = {}

    def note(name: str, own: float, said: float | None) -> None:
        if said is not None:
            found[name] = max(found.get(name, 0.0), abs(own - said) / max(abs(said), 1))

    for board in leaderboard["boards"]:
        if board["scenario"] == "overall" or board["seeds_left_out"]:
            continue
        means = mine.xs((board["scenario"], board["gates"]), level=("scenario", "gates")).groupby("policy").mean()
        for row in (each for each in board["policies"] if each["policy"] in means.index):  # some have no oracle
            own, paired = means.loc[row["policy"]], row["against_baseline"]["net_value"]["mean"]
            for name in own.index.intersection([*row["scores"]]).difference(CENSORED):
                note(name, own[name], (row["scores"][name] or {}).get("mean"))
            note("net value, paired", own["net_value"] - means.loc[leaderboard["baseline"], "net_value"], paired)
            recovered = own["recovery_gained"] / own["recovery_attainable"]
            note("f1_recovery", recovered, (row["f1_recovery"] or {}).get("estimate"))
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
