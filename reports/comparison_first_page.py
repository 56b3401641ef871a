"""The first page of a comparison: which setting to choose, what that is worth, and what was not shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reports.amounts import count_words, difference_words, money_words, number_words, prices_words, time_words
from reports.board import ORACLE, ordered
from reports.caption import source
from reports.families import families, proposed_setting
from reports.first_page import NET_VALUE_WORDS, QUALITY, RANGE_WORDS, FirstPage
from reports.plain_words import policy_story, rule_words, signal_words
from reports.same_lives import are_one_rule, condensed, idle_numbers
from reports.study_folder import StudyFolder
from sim.study.comparison.boards import NOTHING, Board, BoardRow, Difference
from sim.study.comparison.leaderboard import leaderboard, never_promoting
from sim.study.comparison.plan import OF_ONE_HISTORY
from sim.study.inference.contests import MIN_SEEDS
from sim.study.inference.verdicts import Verdict
from sim.study.scores.table import RANKED_BY, Score

_PROPOSAL = "proposal"


@dataclass(frozen=True)
class Choice:
    """What the first page speaks of: a board, the policy that earned most, and what it is compared with."""

    study: StudyFolder
    board: Board
    best: BoardRow
    baseline: BoardRow | None
    currency: str
    span: str

    @property
    def gain(self) -> Difference:
        """What is said of the best policy less the baseline."""
        return self.best.against_baseline[RANKED_BY]

    @property
    def is_shown(self) -> bool:
        """Whether the best policy was shown to earn more than the baseline."""
        return self.gain.verdict is Verdict.MORE


def comparison_first_page(study: StudyFolder, board: Board) -> FirstPage:
    """Return the first page of a comparison, which speaks of one board: the overall one where there is one."""
    rows = [row for row in ordered(board, RANKED_BY) if row.policy != ORACLE]
    if not rows:
        return FirstPage(_question(study, board), "Nothing can be said: every cell of the comparison failed.")
    choice = Choice(study, board, rows[0], board.row(study.leaderboard.baseline), study.currency, span_of(study))
    return FirstPage(
        question=_question(study, board),
        answer=_answer(choice),
        points=dict(_points(choice)),
        sides=list(_sides(choice)),
        sides_title=f"Before and after: one life of {choice.span}, on average",
        warnings=list(_warnings(choice)),
        not_shown=list(_not_shown(choice, condensed(board, study.leaderboard.baseline)[0])),
        words=[NET_VALUE_WORDS, *_range_words(choice), *signal_words([row.policy for row in rows[:1]])],
    )


def _question(study: StudyFolder, board: Board) -> str:
    if study.asked.is_history:
        return f"Which of {_count(board)} policies would have earned most on the history {study.asked.population}?"
    where = "over all scenarios" if board.is_overall else f"if this happens: {_title(study, board)}"
    return f"When should the model be retrained, {where}? {_count(board)} policies were compared."


def _count(board: Board) -> str:
    return f"{sum(row.policy != 'oracle' for row in board.policies):,}"


def _title(study: StudyFolder, board: Board) -> str:
    scenario = study.scenarios.get(board.scenario)
    return board.scenario if scenario is None else scenario.title.rstrip(".")


def span_of(study: StudyFolder) -> str:
    """Return how long a life is, where all are as long."""
    found = {time_words(scenario.time, scenario.time.steps) for scenario in study.scenarios.values()}
    return found.pop() if len(found) == 1 else "a life"


def _answer(choice: Choice) -> str:
    baseline = choice.study.leaderboard.baseline
    name, than = _begun(rule_words(choice.best.policy)), _than(baseline)
    gain = choice.gain
    if choice.best.policy == baseline:
        return f"{name}: nothing that was compared earned more."
    if gain.mean is None or gain.verdict is Verdict.SAME:
        return f"Nothing was shown to earn more than {baseline}: {choice.best.policy} did the same in every life."
    worth = difference_words(gain.mean, choice.currency, gain.interval)
    if choice.is_shown:
        return f"{name}: over {choice.span} that earns {worth} than {than}."
    if gain.interval is None:
        return f"{name}: that earned {worth} than {than}; how much of it is luck can't be said ({_why(gain)})."
    return (
        f"Nothing was shown to earn more than {baseline}: the best, {choice.best.policy}, earned {worth}, which may "
        "be luck."
    )


def _why(gain: Difference) -> str:
    if gain.n < MIN_SEEDS:
        return f"{gain.n} lives of each were played, and a range takes {MIN_SEEDS}: raise --seeds"
    return gain.reason or "there is no range"


def _than(baseline: str) -> str:
    return "never retraining" if baseline == "never" else baseline


def _begun(text: str) -> str:
    """Return a sentence's beginning: a capital letter for words, as they are for the name of a policy."""
    return text[:1].upper() + text[1:] if text.startswith(("retrain ", "never ")) else text


def _points(choice: Choice) -> Iterator[tuple[str, str]]:
    if choice.best.policy != choice.study.leaderboard.baseline:
        kind = "The setting to choose" if choice.is_shown else "What earned most"
        yield kind, rule_words(choice.best.policy)
        if story := policy_story(choice.best.policy):
            yield "What it does", story
    worth = choice.best.estimate(RANKED_BY)
    if worth is not None:
        ends = None if worth.low is None or worth.high is None else (worth.low, worth.high)
        yield f"Its worth over {choice.span}", f"net value {money_words(worth.value, choice.currency, ends)}"
    yield "Staying with the proposal's setting", _staying(choice)
    prices = {scenario.prices for scenario in choice.study.scenarios.values()}
    if len(prices) == 1:
        yield "Prices", prices_words(prices.pop())


def _staying(choice: Choice) -> str:
    """Return what it costs to stay with the proposal's setting, be it the whole proposal or its threshold."""
    proposed = proposed_policy(choice.study.policies)
    if proposed is None:
        return "not known: it was not among those compared; add --policy proposal."
    if proposed == choice.best.policy:
        return "costs nothing: it is what earned most."
    less = against(choice, proposed)
    if less.mean is None:
        return f"not known: there is nothing to compare {proposed} by."
    return _cost_of(proposed, less, choice)


def _cost_of(proposed: str, less: Difference, choice: Choice) -> str:
    """Return what it costs to stay, in words; `less` is the best policy less the proposed one."""
    if less.verdict is Verdict.SAME or less.mean is None:
        return f"costs nothing: {proposed} did the same in every life."
    cost = money_words(less.mean, choice.currency, less.interval)
    if less.verdict is Verdict.MORE:
        return f"{proposed} costs {cost} over {choice.span}."
    if less.interval is None:
        return f"{proposed} earned {money_words(less.mean, choice.currency)} less, with no range: {_why(less)}."
    return f"{proposed} earned {difference_words(-less.mean, choice.currency, _turned(less))}, which may be luck."


def _turned(found: Difference) -> tuple[float, float] | None:
    return None if found.interval is None else (-found.interval[1], -found.interval[0])


def proposed_policy(policies: list[str]) -> str | None:
    """Return what stands for the proposal's setting: the proposal itself, or a rule at its threshold.

    >>> proposed_policy(["never", "f1_drop > 0.02", "f1_drop > 0.05", "f1_drop > 0.1"])
    'f1_drop > 0.05'
    """
    if _PROPOSAL in policies:
        return _PROPOSAL
    for family in families(policies):
        wanted = proposed_setting(family)
        for setting in family.settings:
            if setting.value == wanted:
                return setting.policy
    return None


def against(choice: Choice, other: str) -> Difference:
    """Return what may be said of the best policy less another, all that are compared with the other as one family."""
    study, board = choice.study, choice.board
    if other == study.leaderboard.baseline:
        return choice.gain
    cells = study.cells if board.is_overall else study.cells[study.cells["scenario"] == board.scenario]
    again = leaderboard(cells[cells["gates"] == board.gates], other, study.policies)
    found = next((each for each in again.boards if each.scenario == board.scenario), None)
    row = None if found is None else found.row(choice.best.policy)
    return NOTHING if row is None else row.against_baseline[RANKED_BY]


def _sides(choice: Choice) -> Iterator[Mapping[str, Any]]:
    before, after = choice.baseline, choice.best
    if before is None or before.policy == after.policy:
        return
    worth = after.estimate(RANKED_BY)
    ends = None if worth is None or worth.low is None or worth.high is None else (worth.low, worth.high)

    def money(value: float) -> str:  # rounded as beside its range above
        return money_words(value, choice.currency, ends).split(" (")[0]

    quality = f"{QUALITY}{'' if choice.study.asked.is_history else ' after the change'}"
    rows = (
        ("net value", Score.NET_VALUE, money),
        (quality, quality_of(choice.study), lambda value: f"{value:.2f}"),
        ("retrainings", Score.RETRAINS, count_words),
        ("new models that went into service", Score.PROMOTIONS, count_words),
    )
    for name, score, told in rows:
        values = [row.estimate(score) for row in (before, after)]
        if values[0] is not None and values[1] is not None:
            yield {"": name, before.policy: told(values[0].value), after.policy: told(values[1].value)}


def quality_of(study: StudyFolder) -> Score:
    """Return the score that F1 is told by: a history has that on recorded labels alone."""
    return Score.F1_OBSERVED if study.asked.is_history else Score.F1_AFTER


def _warnings(choice: Choice) -> Iterator[str]:
    if never_promoting(choice.board):
        yield (
            f"No new model ever went into service: the gates {choice.board.gates} rejected every one, so the "
            f"policies differ by what they spend alone. `retrainlab gates {choice.board.gates}` says what they want, "
            "and --gates takes others."
        )
    for count in always_true(choice.board, choice.study.steps):
        yield f"`{count}` was true in every step of every life: it works as a calendar, and says nothing of when."
    yield from idle_numbers(choice.board)


def always_true(board: Board, steps: int | None) -> list[str]:
    """Return the clauses that were true in every step of every life, each once."""
    found = [count.clause for row in board.policies for count in row.clauses if steps and count.true >= steps]
    return list(dict.fromkeys(found))


def _not_shown(choice: Choice, lives: Board) -> Iterator[str]:
    """Yield what was not shown; `lives` is the board with a row for each life that was led."""
    seeds = len(choice.study.leaderboard.seeds)
    if seeds < MIN_SEEDS:
        yield (
            f"How much of this is luck: with {seeds} {'life' if seeds == 1 else 'lives'} of each policy no range can "
            f"be given; it takes {MIN_SEEDS} or more (--seeds {MIN_SEEDS})."
        )
    closest = choice.board.closest_contest
    if closest is not None:
        first, second = closest.policies
        verdict, needed = closest.difference.verdict, closest.difference.seeds_needed
        if verdict is Verdict.SAME and not are_one_rule(first, second):
            yield f"{first} and {second} led the same lives: it does not matter which is chosen."
        elif verdict not in {Verdict.SAME, Verdict.MORE, Verdict.LESS} and seeds >= MIN_SEEDS:
            lives_needed = number_words(needed.seeds, 2) if needed and needed.seeds else ""
            more = f" It would take about {lives_needed} lives of each." if lives_needed else ""
            yield f"That {first} is better than the next best, {second}, was not shown.{more}"
    open_rows = [
        row.policy
        for row in lives.policies
        if row.policy != ORACLE and row.against_baseline[RANKED_BY].verdict is Verdict.UNTOLD
    ]
    if open_rows and seeds >= MIN_SEEDS:
        told = ", ".join(open_rows[:3]) + (f" and {len(open_rows) - 3:,} more" if len(open_rows) > 3 else "")
        yield f"Whether these earn more or less than {choice.study.leaderboard.baseline}: {told}."
    if choice.board.seeds_left_out:
        left_out = ", ".join(map(str, choice.board.seeds_left_out))
        yield f"What happened in the lives of seed {left_out}: a policy failed there, so they count for none."
    if choice.study.asked.is_history:
        yield f"What another past would have brought: {OF_ONE_HISTORY}."
    else:
        customers = source(choice.study.asked.population)
        yield f"What happens outside the simulation: all lives were played on {customers}."


def _range_words(choice: Choice) -> Iterator[str]:
    if len(choice.study.leaderboard.seeds) >= MIN_SEEDS:
        yield RANGE_WORDS
