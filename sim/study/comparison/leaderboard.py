"""The leaderboard: means with intervals, paired differences and ranks, from the cells of a comparison."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import pandas as pd

from sim.study.comparison.boards import (
    NOTHING,
    OVERALL,
    SCHEMA_VERSION,
    Ablation,
    Board,
    BoardRow,
    ClauseMeans,
    ClosestContest,
    Difference,
    Leaderboard,
    ScoreMean,
    ScoreRatio,
    ends_of,
)
from sim.study.comparison.families import BoardFamily, as_difference
from sim.study.inference.contests import Floats, Missing, mean_interval, ratio_interval
from sim.study.inference.one_past import over_customers
from sim.study.inference.verdicts import tell
from sim.study.scores.judge import clauses_from_text
from sim.study.scores.table import RANKED_BY, Score

_WORDS = ("of", "drops", "error", "clauses", "regret_missing")
_NUMBERS = [score.value for score in Score if score.is_in_cells]
_SUMS = [Score.RECOVERY_GAINED.value, Score.RECOVERY_ATTAINABLE.value]
_AVERAGED = tuple(score for score in Score if score.is_averaged)
_ENDLESS = tuple(score for score in Score if score.may_never_end)
_PAIRED = (RANKED_BY, *(score for score in Score if score.is_paired and score is not RANKED_BY))
_OF_A_ROW = [*_NUMBERS, *(f"{score}_never" for score in _ENDLESS)]
BOOTSTRAP_SEED = 20_250_101
"""Where the bootstrap of every recovery begins, so that one study is told the same each time."""
_HOPELESS = 0.5
RESAMPLE = "resample"
"""The column that tells the lives of a history's resamples, numbered from 1, from those of the past itself, 0."""


def leaderboard(cells: pd.DataFrame, baseline: str, policies: Sequence[str]) -> Leaderboard:
    """Return the boards of each scenario and gate profile, and overall.

    Intervals are over seeds. Differences are paired on the same seeds, and all pairs of a board's policies are told
    as one family, so that its verdicts, intervals, p-values and ranks agree and hold together. Overall, a seed's
    scores are averaged over the scenarios first, so that seeds stay the unit; a policy that has no score in one of
    them has none for the seed. Below five seeds there are neither intervals nor ranks.

    Where the cells have lives in resamples of a history (`RESAMPLE`), the past itself gives every number, and
    intervals, verdicts and ranks hold over its customers too (`sim.study.inference.one_past`).
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
    cells = cells.reindex(columns=list(dict.fromkeys([*cells.columns, *_WORDS, *_NUMBERS, RESAMPLE])))
    cells[RESAMPLE] = cells[RESAMPLE].fillna(0).astype(np.int64)
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
    cells, left_out = _paired(cells, policies)
    lives = _Lives.of(cells)
    present = [name for name in policies if name in lives.past]
    reference = present.index(baseline) if baseline in present else None
    families = {
        score: BoardFamily.of(lives.table(present, score), reference, lives.resampled(present, score))
        for score in _PAIRED
    }
    ranks = families[RANKED_BY].ranks()
    known: dict[bytes, BoardRow] = {}
    rows = [
        replace(
            _row(name, lives, known),
            clauses=tuple(_clauses(lives.past[name])),
            against_baseline={score: _against(families[score], index, reference) for score in _PAIRED},
        )
        for index, name in enumerate(present)
    ]
    return Board(
        scenario=scenario,
        gates=gates,
        policies=tuple(replace(row, rank=rank) for row, rank in zip(rows, ranks, strict=True)),
        ablations=tuple(_ablations(lives)),
        closest_contest=_closest_contest(present, families[RANKED_BY]),
        seeds_left_out=left_out,
    )


def _paired(cells: pd.DataFrame, policies: Sequence[str]) -> tuple[pd.DataFrame, tuple[int, ...]]:
    """Return the cells of a board without scores in seeds in which a policy failed, and these seeds.

    So nobody is compared over other seeds than the rest. A policy that failed in half of the seeds or more has no
    scores itself, and costs the others none.
    """
    failed = cells["error"].notna() & cells["policy"].isin(policies)
    shares = failed.groupby(cells["policy"]).mean()
    hopeless = set(shares.index[shares >= _HOPELESS])
    left_out = set(cells.loc[failed & ~cells["policy"].isin(hopeless), "seed"])
    if left_out or hopeless:
        numbers = [*_NUMBERS, *map(_never, _ENDLESS)]
        cells = cells.copy()
        cells.loc[cells["seed"].isin(left_out) | cells["policy"].isin(hopeless), numbers] = np.nan
    return cells, tuple(sorted(int(seed) for seed in left_out))


@dataclass(frozen=True, slots=True)
class _Lives:
    """The cells of a board by policy, each by seed; of a history also those in its resamples, by their number."""

    past: Mapping[str, pd.DataFrame]
    again: tuple[Mapping[str, pd.DataFrame], ...]

    @classmethod
    def of(cls, cells: pd.DataFrame) -> "_Lives":
        by_seed = cells.set_index("seed").sort_index(kind="stable").copy()  # whole: few blocks are quickly cut up
        past, *again = (
            {str(name): each for name, each in group.groupby("policy", sort=False)}
            for _, group in by_seed.groupby(RESAMPLE)
        )
        return cls(past, tuple(again))

    def table(self, names: Sequence[str], score: Score) -> Floats:
        """Return a score of policies, seeds by policies."""
        return _table(self.past, names, score)

    def contents(self, name: str) -> bytes:
        """Return all numbers and words of a policy's lives from which its row follows, as one key."""
        own = [self.past[name], *(each[name] for each in self.again)]
        numbers = b"|".join(cells[_OF_A_ROW].to_numpy(dtype=np.float64).tobytes() for cells in own)
        words = [cells[["error", "regret_missing"]].to_numpy(dtype=object).tolist() for cells in own]
        return numbers + repr(words).encode()

    def resampled(self, names: Sequence[str], score: Score) -> Floats | None:
        """Return a score of policies in the resamples: [luck, seed, policy]; `None` where nothing was resampled."""
        if not self.again:
            return None
        return np.stack([_table(each, names, score) for each in self.again])


def _table(by_policy: Mapping[str, pd.DataFrame], names: Sequence[str], score: Score) -> Floats:
    columns = [by_policy[name][score] for name in names]
    return np.asarray(pd.concat(columns, axis=1).sort_index().to_numpy(dtype=np.float64))


def _against(family: BoardFamily, index: int, reference: int | None) -> Difference:
    return NOTHING if reference is None else family.difference(index, reference)


def _row(name: str, lives: _Lives, known: dict[bytes, BoardRow]) -> BoardRow:
    """Return what a policy's own lives say of it; `known` has what was said, by all that it follows from."""
    life = lives.contents(name)
    if life not in known:
        known[life] = _told(name, lives)
    return replace(known[life], policy=name)


def _told(name: str, lives: _Lives) -> BoardRow:
    cells = lives.past[name]
    is_beyond_oracle = cells["regret_missing"].notna().any()  # what is left would be the mean over the other seeds
    return BoardRow(
        policy=name,
        seeds=int(cells["error"].isna().sum()),
        scores={
            score: None if score.against_oracle and is_beyond_oracle else _mean(lives, name, score)
            for score in _AVERAGED
        },
        f1_recovery=_recovery(cells),
        never_share={score: _share(cells[_never(score)]) for score in _ENDLESS},
        regret_missing=next(iter(cells["regret_missing"].dropna()), None),
        clauses=(),
        against_baseline={},
    )


def _mean(lives: _Lives, name: str, score: Score) -> ScoreMean | None:
    """Return the mean of a score over lives; its interval is over customers too where they are resampled."""
    values, resampled = lives.past[name][score].to_numpy(dtype=np.float64), lives.resampled([name], score)
    present = values[~np.isnan(values)]
    if not len(present):
        return None
    spread = present if resampled is None else over_customers(values[:, np.newaxis], resampled)[:, 0]
    return ScoreMean(float(present.mean()), ends_of(mean_interval(spread)), len(present))


def _recovery(cells: pd.DataFrame) -> ScoreRatio | None:
    gained, attainable = (cells[name] for name in _SUMS)
    if gained.isna().all():
        return None
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    ratio = ratio_interval(gained.tolist(), attainable.tolist(), rng)
    reason = str(ratio.reason) if ratio.reason else None
    return ScoreRatio(ratio.estimate, ends_of(ratio.interval), ratio.n, reason)


def _ablations(lives: _Lives) -> Iterator[Ablation]:
    """Yield what each clause of a rule is worth: the rule less the rule without it, all clauses as one family."""
    pairs = [
        (str(group["of"].iloc[0]), str(name), str(group["drops"].iloc[0]))
        for name, group in lives.past.items()
        if group["of"].iloc[0] in lives.past
    ]
    names = list(lives.past)
    contests = [(names.index(of), names.index(name)) for of, name, _ in pairs]
    told = {
        score: tell(lives.table(names, score), contests, resampled=lives.resampled(names, score))
        for score in (_PAIRED if contests else ())
    }
    for index, (of, _, drops) in enumerate(pairs):
        yield Ablation(of, drops, {score: as_difference(told[score][index]) for score in _PAIRED})


def _closest_contest(present: Sequence[str], family: BoardFamily) -> ClosestContest | None:
    """Return the two policies of the highest mean net value, and what may be said of their difference."""
    best = family.closest([index for index, name in enumerate(present) if name != "oracle"])
    if best is None:
        return None
    return ClosestContest((present[best[0]], present[best[1]]), family.difference(*best))


def _over_scenarios(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a policy and seed: the mean of each score over scenarios, and the sums that recovery needs.

    A scenario whose own recovery is within noise adds nothing to the sums.

    A seed in which a policy did not live in every scenario would be compared with others' means over more of them, so
    it is left without scores.
    """
    keys = ["policy", "seed", RESAMPLE]
    numbers = [*_NUMBERS, *map(_never, _ENDLESS)]
    groups = cells.groupby(keys, sort=False)
    table = groups[numbers].mean()
    counting = cells[cells["counts_in_overall"]]
    table[_SUMS] = counting.groupby(keys, sort=False)[_SUMS].sum(min_count=1)
    table[groups[RANKED_BY].count() < groups.size()] = np.nan
    words = [name for name in _WORDS if name != "clauses"]
    return table.join(groups[words].first()).assign(clauses=None).reset_index()
