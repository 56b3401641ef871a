"""The boards of a comparison as values, and the leaderboard as a file."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, TypeAdapter

from sim.json_file import read_json, write_json
from sim.study.inference.contests import Interval
from sim.study.inference.seeds_needed import SeedsNeeded
from sim.study.inference.verdicts import Verdict
from sim.study.scores.table import Score

T = TypeVar("T")
SCHEMA_VERSION = 2
OVERALL = "overall"
"""The name of the board over all scenarios."""

Ends = tuple[float, float]
"""The low and the high end of a 95 % interval."""


def ends_of(interval: Interval | None) -> Ends | None:
    """Return the two ends of an interval, if there is one."""
    return None if interval is None else (interval.low, interval.high)


@dataclass(frozen=True, slots=True)
class ScoreMean:
    """A score's mean over `n` seeds; below five there is no interval."""

    mean: float
    interval: Ends | None
    n: int


@dataclass(frozen=True, slots=True)
class ScoreRatio:
    """A ratio of sums over `n` seeds; `missing` says why there is none."""

    estimate: float | None
    interval: Ends | None
    n: int
    missing: str | None


@dataclass(frozen=True, slots=True)
class ScoreEstimate:
    """What a board says of a score, be it a mean or a ratio; both ends are missing where the seeds are too few."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference over `n` seeds, and what may be said of it; missing parts are `None`.

    Interval, p-value and verdict are those of one family (`sim.study.inference.verdicts`), so that they agree: all
    policies of a board are told together, and so are all clauses. `reason` says why there is no interval, and
    `seeds_needed` how many seeds would tell what these can't. A leaderboard of an older version has no verdicts.
    """

    mean: float | None
    interval: Ends | None
    p_value: float | None
    n: int
    verdict: Verdict | None = None
    reason: str | None = None
    seeds_needed: SeedsNeeded | None = None


NOTHING = Difference(None, None, None, 0)
"""What is known of a policy less itself."""


@dataclass(frozen=True, slots=True)
class Rank:
    """The place of a policy by its mean net value, 1 for the best, ties averaged.

    `best` and `worst` are the ends of its place: as many policies as are shown to earn more stand before it, and as
    many as are shown to earn less behind it, so that ranks agree with verdicts. All such ranges of a board hold
    together in at least 95 % of studies (Mogstad, Romano, Shaikh and Wilhelm, Inference for ranks, Review of Economic
    Studies 91, 2024).
    """

    place: float
    best: int
    worst: int


@dataclass(frozen=True, slots=True)
class ClauseMeans:
    """In how many steps of a world a clause was true, true alone and missing, on average."""

    clause: str
    true: float
    true_alone: float
    missing: float


@dataclass(frozen=True, slots=True)
class Ablation:
    """What a clause of a policy's rule is worth: the rule less the rule without it."""

    policy: str
    clause: str
    worth: Mapping[Score, Difference]


@dataclass(frozen=True, slots=True)
class ClosestContest:
    """The two policies of the highest mean net value, the oracle aside, and what may be said of their difference."""

    policies: tuple[str, str]
    difference: Difference = NOTHING


def _known_scores(wanted: Collection[Score], found: object) -> object:
    """Return the scores of this version, missing where an older file has none; those of another version are left."""
    return {score: found.get(score) for score in wanted} if isinstance(found, Mapping) else found


_AVERAGED = tuple(score for score in Score if score.is_averaged)
_ENDLESS = tuple(score for score in Score if score.may_never_end)
Means = Annotated[Mapping[Score, ScoreMean | None], BeforeValidator(lambda found: _known_scores(_AVERAGED, found))]
Shares = Annotated[Mapping[Score, float | None], BeforeValidator(lambda found: _known_scores(_ENDLESS, found))]


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One policy of a board.

    `seeds` counts the lives that did not fail, `never_share` is the share of them in which a time never came, and
    `regret_missing` says why there is no regret. There are no ranks below five seeds, nor among more than
    `families.MOST_COMPARED` different lives.
    """

    policy: str
    seeds: int
    scores: Means
    f1_recovery: ScoreRatio | None
    never_share: Shares
    regret_missing: str | None
    clauses: tuple[ClauseMeans, ...]
    against_baseline: Mapping[Score, Difference]
    rank: Rank | None = None

    def estimate(self, score: Score) -> ScoreEstimate | None:
        """Return what the board says of a score, `None` where it is missing."""
        if score is Score.F1_RECOVERY:
            ratio = self.f1_recovery
            value, interval = (None, None) if ratio is None else (ratio.estimate, ratio.interval)
        else:
            mean = self.scores.get(score)
            value, interval = (None, None) if mean is None else (mean.mean, mean.interval)
        low, high = interval or (None, None)
        return None if value is None else ScoreEstimate(value, low, high)


@dataclass(frozen=True, slots=True)
class Board:
    """The policies of one scenario, or of all together, under one gate profile.

    `seeds_left_out` are those in which a policy failed: they count for none of the others either.
    """

    scenario: str
    gates: str
    policies: tuple[BoardRow, ...]
    ablations: tuple[Ablation, ...]
    closest_contest: ClosestContest | None
    seeds_left_out: tuple[int, ...] = ()

    @property
    def is_overall(self) -> bool:
        """Whether it is over all scenarios."""
        return self.scenario == OVERALL

    def row(self, policy: str) -> BoardRow | None:
        """Return a policy's row, `None` where it has none."""
        return next((row for row in self.policies if row.policy == policy), None)


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The boards of a comparison, each scenario's under each gate profile and those over all scenarios."""

    schema_version: int
    baseline: str
    seeds: tuple[int, ...]
    cells: int
    failed_cells: int
    boards: tuple[Board, ...]


_LEADERBOARD = TypeAdapter(Leaderboard)


def plain_leaderboard(leaderboard: Leaderboard) -> dict[str, Any]:
    """Return a leaderboard as plain values, as `leaderboard.json` has them."""
    content: dict[str, Any] = _LEADERBOARD.dump_python(leaderboard, mode="json")
    return content


def leaderboard_schema() -> dict[str, Any]:
    """Return the JSON schema of `leaderboard.json`."""
    return _LEADERBOARD.json_schema()


def write_leaderboard(leaderboard: Leaderboard, path: Path) -> None:
    """Write a leaderboard as JSON; the file appears whole or not at all."""
    write_json(_LEADERBOARD, leaderboard, path)


def read_leaderboard(path: Path) -> Leaderboard:
    """Return the leaderboard that `write_leaderboard` wrote, be it an older version; `ValueError` if it is none."""
    return read_json(_LEADERBOARD, path.read_bytes())
