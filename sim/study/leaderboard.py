"""The leaderboard: means with intervals, paired differences and ranks, from the cells of a comparison."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sim.study.inference import (
    MIN_SEEDS,
    Interval,
    holm,
    mean_interval,
    mean_ranks,
    paired_difference,
    ratio_interval,
    seeds_needed,
)

SCORES = (
    "f1_before",
    "f1_after",
    "f1_end",
    "precision_at_capacity",
    "lift_at_capacity",
    "detection_days",
    "recovery_days",
    "retrains",
    "promotions",
    "rejections",
    "false_retrains_alarm",
    "false_retrains_scheduled",
    "false_alarms_per_year",
    "staleness_days",
    "net_value",
    "net_value_realised",
    "roi_realised",
    "roi_estimated",
    "roi_proposal",
    "regret",
    "needless_retrains",
    "needless_cost",
    "brier",
    "expected_calibration_error",
    "break_even_retrain_cost",
    "price_of_gates",
    "price_of_approval_time",
    "price_of_training_time",
    "price_of_label_delay",
    "response_detection_days",
    "response_label_wait_days",
    "response_training_days",
    "response_validation_days",
    "response_approval_days",
)
"""The scores that are averaged over seeds."""

PAIRED = ("net_value", "f1_after", "f1_end")
"""The scores that are compared with the baseline, seed by seed; the first decides the ranks."""

CENSORED = ("detection_days", "recovery_days")
"""Times that may never come: their mean is over the seeds where they did, with the share of those where not."""

OVERALL = "overall"
_KEYS = ("of", "drops", "error")
_SUMS = ("recovery_gained", "recovery_attainable")
_BOOTSTRAP_SEED = 20_250_101


def leaderboard(cells: pd.DataFrame, baseline: str, policies: Sequence[str]) -> dict[str, Any]:
    """Return the boards of each scenario and gate profile, and overall, as plain values.

    Intervals are over seeds, paired differences against the baseline on the same seeds, with p-values adjusted by
    Holm's method over the policies of a board. Overall, a seed's scores are averaged over the scenarios first, so
    that seeds stay the unit. Below five seeds there are neither intervals nor ranks.
    """
    known = [*_KEYS, *SCORES, *_SUMS]
    cells = cells.reindex(columns=[*cells.columns, *(name for name in known if name not in cells)])
    boards = []
    for gates, of_profile in cells.groupby("gates", sort=False):
        for scenario, group in of_profile.groupby("scenario", sort=False):
            boards.append(_board(group, str(scenario), str(gates), baseline, policies))
        if of_profile["scenario"].nunique() > 1:
            boards.append(_board(_over_scenarios(of_profile), OVERALL, str(gates), baseline, policies))
    return {
        "schema_version": 1,
        "baseline": baseline,
        "seeds": sorted(int(seed) for seed in cells["seed"].unique()),
        "cells": len(cells),
        "failed_cells": int(cells["error"].notna().sum()),
        "boards": boards,
    }


def _board(cells: pd.DataFrame, scenario: str, gates: str, baseline: str, policies: Sequence[str]) -> dict[str, Any]:
    by_policy = {
        str(name): group.set_index("seed").sort_index() for name, group in cells.groupby("policy", sort=False)
    }
    present = [name for name in policies if name in by_policy]
    rows = [_row(name, by_policy[name], by_policy.get(baseline)) for name in present]
    for score in PAIRED:
        adjusted = holm([row["against_baseline"][score]["p_value"] for row in rows])
        for row, p_value in zip(rows, adjusted, strict=True):
            row["against_baseline"][score]["p_value_holm"] = p_value
    _add_ranks(rows, [by_policy[name] for name in present])
    return {
        "scenario": scenario,
        "gates": gates,
        "policies": rows,
        "ablations": list(_ablations(by_policy)),
        "closest_contest": _closest_contest(present, by_policy),
    }


def _row(name: str, cells: pd.DataFrame, baseline: pd.DataFrame | None) -> dict[str, Any]:
    return {
        "policy": name,
        "seeds": int(cells["error"].isna().sum()),
        "scores": {score: _mean(cells[score]) for score in SCORES},
        "f1_recovery": _recovery(cells),
        "never_share": {score: float(cells[score].isna().mean()) for score in CENSORED},
        "against_baseline": {score: _against(cells, baseline, score) for score in PAIRED},
    }


def _mean(values: pd.Series) -> dict[str, Any] | None:
    present = values.dropna().to_numpy(dtype=np.float64)
    if not len(present):
        return None
    return {"mean": float(present.mean()), "interval": _shown(mean_interval(present.tolist())), "n": len(present)}


def _recovery(cells: pd.DataFrame) -> dict[str, Any] | None:
    if cells["recovery_gained"].isna().all():
        return None
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    found = ratio_interval(cells["recovery_gained"].tolist(), cells["recovery_attainable"].tolist(), rng)
    reason = str(found.reason) if found.reason else None
    return {"estimate": found.estimate, "interval": _shown(found.interval), "n": found.n, "missing": reason}


def _against(cells: pd.DataFrame, baseline: pd.DataFrame | None, score: str) -> dict[str, Any]:
    nothing = {"mean": None, "interval": None, "p_value": None, "n": 0}
    if baseline is None or cells is baseline:
        return nothing
    both = cells[[score]].join(baseline[[score]], rsuffix="_baseline").dropna()
    if both.empty:
        return nothing
    found = paired_difference(both[score].tolist(), both[f"{score}_baseline"].tolist())
    return {"mean": found.mean, "interval": _shown(found.interval), "p_value": found.p_value, "n": found.n}


def _add_ranks(rows: list[dict[str, Any]], groups: Sequence[pd.DataFrame]) -> None:
    """Give each row its mean rank by the first paired score, where the seeds are enough to say how sure it is."""
    matrix = pd.concat([group[PAIRED[0]].rename(index) for index, group in enumerate(groups)], axis=1).dropna()
    ranks = mean_ranks(matrix.to_numpy(dtype=np.float64), higher_is_better=True) if len(matrix) >= MIN_SEEDS else None
    for index, row in enumerate(rows):
        row["mean_rank"] = ranks.ranks[index] if ranks else None


def _ablations(by_policy: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """Yield what each clause of a rule is worth: the rule less the rule without it."""
    for group in by_policy.values():
        of, drops = group["of"].iloc[0], group["drops"].iloc[0]
        if isinstance(of, str) and of in by_policy:
            scores = {score: _against(by_policy[of], group, score) for score in PAIRED}
            yield {"policy": of, "clause": drops, "worth": scores}


def _closest_contest(present: Sequence[str], by_policy: dict[str, pd.DataFrame]) -> dict[str, Any] | None:
    """Return the two policies of the highest mean net value, and how many seeds would settle which is better."""
    means = {name: by_policy[name][PAIRED[0]].mean() for name in present if name != "oracle"}
    best = sorted((name for name in means if not np.isnan(means[name])), key=lambda name: -means[name])[:2]
    if len(best) < 2:
        return None
    first, second = (by_policy[name][PAIRED[0]] for name in best)
    differences = (first - second).dropna().tolist()
    return {"policies": best, "seeds_needed": seeds_needed(differences)}


def _over_scenarios(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a policy and seed: the mean of each score over scenarios, and the sums that recovery needs."""
    keys = ["policy", "seed"]
    averaged = cells.groupby(keys, sort=False)[list(SCORES)].mean().reset_index()
    summed = cells.groupby(keys, sort=False)[list(_SUMS)].sum(min_count=1)
    first = cells.groupby(keys, sort=False)[list(_KEYS)].first()
    return averaged.merge(summed.reset_index(), on=keys).merge(first.reset_index(), on=keys)


def _shown(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
