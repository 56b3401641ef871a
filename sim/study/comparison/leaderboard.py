"""The leaderboard: means with intervals, paired differences and ranks, from the cells of a comparison."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np
import pandas as pd

from sim.study.comparison.boards import (
    OVERALL,
    SCHEMA_VERSION,
    Ablation,
    Board,
    BoardRow,
    ClauseMeans,
    ClosestContest,
    Contest,
    Difference,
    Ends,
    Leaderboard,
    ScoreMean,
    ScoreRatio,
)
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
from sim.study.scores.judge import clauses_from_text
from sim.study.scores.table import RANKED_BY, Score

_WORDS = ("of", "drops", "error", "clauses", "regret_missing")
_NUMBERS = [score.value for score in Score if score.is_in_cells]
_SUMS = [Score.RECOVERY_GAINED.value, Score.RECOVERY_ATTAINABLE.value]
_AVERAGED = tuple(score for score in Score if score.is_averaged)
_ENDLESS = tuple(score for score in Score if score.may_never_end)
_PAIRED = (RANKED_BY, *(score for score in Score if score.is_paired and score is not RANKED_BY))
_BOOTSTRAP_SEED = 20_250_101


def leaderboard(cells: pd.DataFrame, baseline: str, policies: Sequence[str]) -> Leaderboard:
    """Return the boards of each scenario and gate profile, and overall.

    Intervals are over seeds, paired differences against the baseline on the same seeds, with p-values adjusted by
    Holm's method over the other policies of a board. Overall, a seed's scores are averaged over the scenarios first,
    so that seeds stay the unit; a policy that has no score in one of them has none for the seed. Below five seeds
    there are neither intervals nor ranks.
    """
    cells = _tidy(cells)
    boards: list[Board] = []
    for gates, of_profile in cells.groupby("gates", sort=False):
        worlds = [_without_lost_recovery(group) for _, group in of_profile.groupby("scenario", sort=False)]
        boards += [_board(world, str(world["scenario"].iloc[0]), str(gates), baseline, policies) for world in worlds]
        if len(worlds) > 1:
            boards.append(_board(_over_scenarios(pd.concat(worlds)), OVERALL, str(gates), baseline, policies))
    return Leaderboard(
        schema_version=SCHEMA_VERSION,
        baseline=baseline,
        seeds=tuple(sorted(int(seed) for seed in cells["seed"].unique())),
        cells=len(cells),
        failed_cells=int(cells["error"].notna().sum()),
        boards=tuple(boards),
    )


def never_promoting(board: Board) -> bool:
    """Say whether a board's policies asked for new models and its gates let not one of them serve, in any seed.

    Its policies then differ by what they spend alone: the gates are not for this world.
    """
    return _total(board, Score.RETRAINS) > 0 and _total(board, Score.PROMOTIONS) == 0


def _total(board: Board, score: Score) -> float:
    return sum(0.0 if (mean := row.scores[score]) is None else mean.mean for row in board.policies)


def _tidy(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with every column that boards are made of, scores as numbers, and censored times filled in."""
    cells = cells.reindex(columns=list(dict.fromkeys([*cells.columns, *_WORDS, *_NUMBERS])))
    cells[_NUMBERS] = cells[_NUMBERS].astype(np.float64)
    limit = cells[Score.DAYS_AFTER_ONSET]
    for score in _ENDLESS:
        cells[_never(score)] = cells[score].isna().astype(np.float64).where(limit.notna())
        if score.is_censored:
            cells[score.value] = cells[score].fillna(limit)
    return cells


def _without_lost_recovery(world: pd.DataFrame) -> pd.DataFrame:
    """Return a scenario's cells without recovery times where nothing that could be recovered stands out of the noise.

    `counts_in_overall` says whether the scenario's recovery enters the overall one: for all policies alike.
    """
    attainable = world.groupby("seed")[Score.RECOVERY_ATTAINABLE].first().tolist()
    reason = ratio_interval(attainable, attainable, np.random.default_rng(0)).reason
    is_lost = reason in (Missing.WITHIN_NOISE, Missing.NEGATIVE)
    if is_lost:
        world = world.assign(**{Score.RECOVERY_DAYS.value: np.nan, _never(Score.RECOVERY_DAYS): np.nan})
    return world.assign(counts_in_overall=not is_lost)


def _never(score: Score) -> str:
    """Return the column that tells where a time never came."""
    return f"{score}_never"


def _share(values: pd.Series) -> float | None:
    return float(values.mean()) if values.notna().any() else None


def _clauses(cells: pd.DataFrame) -> Iterator[ClauseMeans]:
    """Yield for each clause of a rule in how many steps of a world it was true, true alone and missing on average."""
    worlds = [clauses_from_text(text) for text in cells["clauses"].dropna()]
    for same in zip(*worlds, strict=True):
        yield ClauseMeans(
            clause=same[0].clause,
            true=fmean(count.true for count in same),
            true_alone=fmean(count.true_alone for count in same),
            missing=fmean(count.missing for count in same),
        )


def _board(cells: pd.DataFrame, scenario: str, gates: str, baseline: str, policies: Sequence[str]) -> Board:
    by_policy = {
        str(name): group.set_index("seed").sort_index() for name, group in cells.groupby("policy", sort=False)
    }
    present = [name for name in policies if name in by_policy]
    ranks, critical = _ranks([by_policy[name] for name in present])
    rows = _corrected([_row(name, by_policy[name], by_policy.get(baseline)) for name in present])
    return Board(
        critical_difference=critical,
        scenario=scenario,
        gates=gates,
        policies=tuple(replace(row, mean_rank=ranks.get(index)) for index, row in enumerate(rows)),
        ablations=tuple(_ablations(by_policy)),
        closest_contest=_closest_contest(present, by_policy),
    )


def _row(name: str, cells: pd.DataFrame, baseline: pd.DataFrame | None) -> BoardRow:
    is_beyond_oracle = cells["regret_missing"].notna().any()  # what is left would be the mean over the other seeds
    return BoardRow(
        policy=name,
        seeds=int(cells["error"].isna().sum()),
        scores={
            score: None if score.against_oracle and is_beyond_oracle else _mean(cells[score]) for score in _AVERAGED
        },
        f1_recovery=_recovery(cells),
        never_share={score: _share(cells[_never(score)]) for score in _ENDLESS},
        regret_missing=next(iter(cells["regret_missing"].dropna()), None),
        clauses=tuple(_clauses(cells)),
        against_baseline={score: _contest(cells, baseline, score) for score in _PAIRED},
    )


def _mean(values: pd.Series) -> ScoreMean | None:
    present = values.dropna().to_numpy(dtype=np.float64)
    if not len(present):
        return None
    return ScoreMean(float(present.mean()), _ends(mean_interval(present.tolist())), len(present))


def _recovery(cells: pd.DataFrame) -> ScoreRatio | None:
    gained, attainable = (cells[name] for name in _SUMS)
    if gained.isna().all():
        return None
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    ratio = ratio_interval(gained.tolist(), attainable.tolist(), rng)
    reason = str(ratio.reason) if ratio.reason else None
    return ScoreRatio(ratio.estimate, _ends(ratio.interval), ratio.n, reason)


def _contest(cells: pd.DataFrame, baseline: pd.DataFrame | None, score: Score) -> Contest:
    less = _difference(cells, cells if baseline is None else baseline, score)
    return Contest(less.mean, less.interval, less.p_value, less.n)


def _difference(cells: pd.DataFrame, others: pd.DataFrame, score: Score) -> Difference:
    """Return a policy less another on the seeds that both lived; nothing is known of a policy less itself."""
    both = pd.DataFrame({"one": cells[score], "other": others[score]}).dropna()
    if cells is others or both.empty:
        return Difference(None, None, None, 0)
    paired = paired_difference(both["one"].tolist(), both["other"].tolist())
    return Difference(paired.mean, _ends(paired.interval), paired.p_value, paired.n)


def _corrected(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Return the rows with p-values corrected for the number of policies on the board, score by score."""
    adjusted = {score: holm([row.against_baseline[score].p_value for row in rows]) for score in _PAIRED}
    return [
        replace(
            row,
            against_baseline={
                score: replace(contest, p_value_holm=adjusted[score][index])
                for score, contest in row.against_baseline.items()
            },
        )
        for index, row in enumerate(rows)
    ]


def _ranks(groups: Sequence[pd.DataFrame]) -> tuple[dict[int, float], float | None]:
    """Return the mean rank of each group that has one, where the seeds are enough to say how sure it is.

    With it the critical difference: ranks that differ by less can't be told apart (Nemenyi, at 5 %).
    """
    scores = {index: group[RANKED_BY] for index, group in enumerate(groups) if group[RANKED_BY].notna().any()}
    matrix = pd.DataFrame(scores).dropna()
    ranks = mean_ranks(matrix.to_numpy(dtype=np.float64), higher_is_better=True) if len(matrix) >= MIN_SEEDS else None
    if ranks is None:
        return {}, None
    critical = critical_difference(len(scores), len(matrix)) if len(scores) > 1 else None
    return dict(zip(scores, ranks.ranks, strict=True)), critical


def _ablations(by_policy: Mapping[str, pd.DataFrame]) -> Iterator[Ablation]:
    """Yield what each clause of a rule is worth: the rule less the rule without it."""
    for group in by_policy.values():
        of, drops = group["of"].iloc[0], group["drops"].iloc[0]
        if isinstance(of, str) and of in by_policy:
            yield Ablation(of, drops, {score: _difference(by_policy[of], group, score) for score in _PAIRED})


def _closest_contest(present: Sequence[str], by_policy: Mapping[str, pd.DataFrame]) -> ClosestContest | None:
    """Return the two policies of the highest mean net value, and how many seeds would settle which is better."""
    means = {name: by_policy[name][RANKED_BY].mean() for name in present if name != "oracle"}
    best = sorted((name for name in means if not np.isnan(means[name])), key=lambda name: -means[name])[:2]
    if len(best) < 2:
        return None
    first, second = (by_policy[name][RANKED_BY] for name in best)
    return ClosestContest((best[0], best[1]), seeds_needed((first - second).dropna().tolist()))


def _over_scenarios(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a policy and seed: the mean of each score over scenarios, and the sums that recovery needs.

    A scenario whose own recovery is within noise adds nothing to the sums.

    A seed in which a policy did not live in every scenario would be compared with others' means over more of them, so
    it is left without scores.
    """
    keys = ["policy", "seed"]
    numbers = [*_NUMBERS, *map(_never, _ENDLESS)]
    groups = cells.groupby(keys, sort=False)
    table = groups[numbers].mean()
    counting = cells[cells["counts_in_overall"]]
    table[_SUMS] = counting.groupby(keys, sort=False)[_SUMS].sum(min_count=1)
    table[groups[RANKED_BY].count() < groups.size()] = np.nan
    words = [name for name in _WORDS if name != "clauses"]
    return table.join(groups[words].first()).assign(clauses=None).reset_index()


def _ends(interval: Interval | None) -> Ends | None:
    return None if interval is None else (interval.low, interval.high)
