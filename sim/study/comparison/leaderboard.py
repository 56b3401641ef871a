"""The leaderboard: means with intervals, paired differences and ranks, from the cells of a comparison."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from sim.study.inference.contests import (
    MIN_SEEDS,
    Interval,
    Missing,
    critical_difference,
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
    "f1_observed",
    "precision_at_capacity",
    "lift_at_capacity",
    "detection_days",
    "recovery_days",
    "retrains",
    "promotions",
    "rejections",
    "recalibrations",
    "rollbacks",
    "quarantines",
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
    "response_label_wait_days",
    "response_training_days",
    "response_validation_days",
    "response_approval_days",
)
"""The scores that are averaged over seeds."""

_AGAINST_THE_ORACLE = ("regret", "needless_retrains", "needless_cost")

PAIRED = ("net_value", "f1_after", "f1_end")
"""The scores that are compared with the baseline, seed by seed; the first decides the ranks."""

CENSORED = ("detection_days", "recovery_days")
"""Times that may never come: they count as the days to the end then (a restricted mean), with the share of those."""

PARTS = (
    "response_label_wait_days",
    "response_training_days",
    "response_validation_days",
    "response_approval_days",
)
"""Parts of a response: means over the seeds in which the part ended, with the share of those in which it did not."""

OVERALL = "overall"
_WORDS = ("of", "drops", "error", "clauses", "regret_missing")
_SUMS = ("recovery_gained", "recovery_attainable")
_BOOTSTRAP_SEED = 20_250_101


def leaderboard(cells: pd.DataFrame, baseline: str, policies: Sequence[str]) -> dict[str, Any]:
    """Return the boards of each scenario and gate profile, and overall, as plain values.

    Intervals are over seeds, paired differences against the baseline on the same seeds, with p-values adjusted by
    Holm's method over the other policies of a board. Overall, a seed's scores are averaged over the scenarios first,
    so that seeds stay the unit; a policy that has no score in one of them has none for the seed. Below five seeds
    there are neither intervals nor ranks.
    """
    cells = _tidy(cells)
    boards = []
    for gates, of_profile in cells.groupby("gates", sort=False):
        worlds = [_without_lost_recovery(group) for _, group in of_profile.groupby("scenario", sort=False)]
        boards += [_board(world, str(world["scenario"].iloc[0]), str(gates), baseline, policies) for world in worlds]
        if len(worlds) > 1:
            boards.append(_board(_over_scenarios(pd.concat(worlds)), OVERALL, str(gates), baseline, policies))
    return {
        "schema_version": 1,
        "baseline": baseline,
        "seeds": sorted(int(seed) for seed in cells["seed"].unique()),
        "cells": len(cells),
        "failed_cells": int(cells["error"].notna().sum()),
        "boards": boards,
    }


def never_promoting(board: Mapping[str, Any]) -> bool:
    """Say whether a board's policies asked for new models and its gates let not one of them serve, in any seed.

    Its policies then differ by what they spend alone: the gates are not for this world.
    """
    means = {
        name: [_known_mean(row["scores"][name]) for row in board["policies"]] for name in ("retrains", "promotions")
    }
    return sum(means["retrains"]) > 0 and sum(means["promotions"]) == 0


def _known_mean(score: Mapping[str, Any] | None) -> float:
    return 0.0 if score is None else float(score["mean"])


def _tidy(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with every column that boards are made of, scores as numbers, and censored times filled in."""
    numbers = [*SCORES, *_SUMS, "days_after_onset"]
    cells = cells.reindex(columns=list(dict.fromkeys([*cells.columns, *_WORDS, *numbers])))
    cells[numbers] = cells[numbers].astype(np.float64)
    limit = cells["days_after_onset"]
    for score in (*CENSORED, *PARTS):
        cells[_never(score)] = cells[score].isna().astype(np.float64).where(limit.notna())
    for score in CENSORED:
        cells[score] = cells[score].fillna(limit)
    return cells


def _without_lost_recovery(world: pd.DataFrame) -> pd.DataFrame:
    """Return a scenario's cells without recovery times where nothing that could be recovered stands out of the noise.

    `counts_in_overall` says whether the scenario's recovery enters the overall one: for all policies alike.
    """
    attainable = world.groupby("seed")["recovery_attainable"].first().tolist()
    reason = ratio_interval(attainable, attainable, np.random.default_rng(0)).reason
    is_lost = reason in (Missing.WITHIN_NOISE, Missing.NEGATIVE)
    if is_lost:
        world = world.assign(**{"recovery_days": np.nan, _never("recovery_days"): np.nan})
    return world.assign(counts_in_overall=not is_lost)


def _never(score: str) -> str:
    return f"{score}_never"


def _share(values: pd.Series) -> float | None:
    return float(values.mean()) if values.notna().any() else None


def _clauses(cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield for each clause of a rule in how many steps of a world it was true, true alone and missing on average."""
    worlds = [json.loads(text) for text in cells["clauses"].dropna()]
    for same in zip(*worlds, strict=True):
        counts = {key: fmean(count[key] for count in same) for key in ("true", "true_alone", "missing")}
        yield {"clause": same[0]["clause"], **counts}


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
    critical = _add_ranks(rows, [by_policy[name] for name in present])
    return {
        "critical_difference": critical,
        "scenario": scenario,
        "gates": gates,
        "policies": rows,
        "ablations": list(_ablations(by_policy)),
        "closest_contest": _closest_contest(present, by_policy),
    }


def _row(name: str, cells: pd.DataFrame, baseline: pd.DataFrame | None) -> dict[str, Any]:
    scores = {score: _mean(cells[score]) for score in SCORES}
    if cells["regret_missing"].notna().any():  # what is left would be the mean over the seeds without its actions
        scores |= dict.fromkeys(_AGAINST_THE_ORACLE)
    return {
        "policy": name,
        "seeds": int(cells["error"].isna().sum()),
        "scores": scores,
        "f1_recovery": _recovery(cells),
        "never_share": {score: _share(cells[_never(score)]) for score in (*CENSORED, *PARTS)},
        "regret_missing": next(iter(cells["regret_missing"].dropna()), None),
        "clauses": list(_clauses(cells)),
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
    both = pd.DataFrame({"policy": cells[score], "baseline": baseline[score]}).dropna()
    if both.empty:
        return nothing
    found = paired_difference(both["policy"].tolist(), both["baseline"].tolist())
    return {"mean": found.mean, "interval": _shown(found.interval), "p_value": found.p_value, "n": found.n}


def _add_ranks(rows: list[dict[str, Any]], groups: Sequence[pd.DataFrame]) -> float | None:
    """Give each row its mean rank by the first paired score, where the seeds are enough to say how sure it is.

    Return the critical difference: ranks that differ by less can't be told apart (Nemenyi, at 5 %).
    """
    scores = {index: group[PAIRED[0]] for index, group in enumerate(groups) if group[PAIRED[0]].notna().any()}
    matrix = pd.DataFrame(scores).dropna()
    ranks = mean_ranks(matrix.to_numpy(dtype=np.float64), higher_is_better=True) if len(matrix) >= MIN_SEEDS else None
    found = dict(zip(scores, ranks.ranks, strict=True)) if ranks else {}
    for index, row in enumerate(rows):
        row["mean_rank"] = found.get(index)
    return critical_difference(len(scores), len(matrix)) if ranks and len(scores) > 1 else None


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
    """Return one row a policy and seed: the mean of each score over scenarios, and the sums that recovery needs.

    A scenario whose own recovery is within noise adds nothing to the sums.

    A seed in which a policy did not live in every scenario would be compared with others' means over more of them, so
    it is left without scores.
    """
    keys = ["policy", "seed"]
    numbers = [*SCORES, *_SUMS, *map(_never, (*CENSORED, *PARTS))]
    groups = cells.groupby(keys, sort=False)
    table = groups[numbers].mean()
    counting = cells[cells["counts_in_overall"]]
    table[list(_SUMS)] = counting.groupby(keys, sort=False)[list(_SUMS)].sum(min_count=1)
    table[groups[PAIRED[0]].count() < groups.size()] = np.nan
    words = [name for name in _WORDS if name != "clauses"]
    return table.join(groups[words].first()).assign(clauses=None).reset_index()


def _shown(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
