"""The hold-back chain: what stands between a policy that wants a retraining and its request, for every kind alike."""

from copy import deepcopy
from dataclasses import dataclass, field, fields, replace

from policies.decision import KEEP_REASONS, REQUESTS, Action, Cause, Decision, Policy, trainings_named, wanted
from policies.expression import Expression, optional_rule, trends_of, wants_of
from policies.parameters import check_count, check_days, check_steps
from policies.signals import Signals
from policies.trend import History

DAYS_PER_YEAR = 365
_HELD = KEEP_REASONS[KEEP_REASONS.index("waiting") :]
"""The links of the chain in their order, as reasons of a `keep`."""


@dataclass(frozen=True, slots=True)
class ChainMemory:
    """What a chain remembers: a value, so as cheap to copy and to compare as numbers are.

    `asked` has a bit for each step of the window in which the policy wanted a request, today's the lowest;
    `request_days` are the days of the requests that the settings can still look back to.
    """

    asked: int = 0
    is_armed: bool = True
    request_days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HoldBack:
    """What holds a request back, in this order, each link named by its reason.

    `waiting` until it was wanted in `for_steps` of the last `of_steps` steps, today among them; `disarmed` after a
    request until `rearm_when` was true; `cooldown` until `cooldown_days` have passed since the last request (also a
    rejected one); `budget` while the last year holds `budget_per_year` requests; `job_open` while a job is under way.
    So `cooldown` wins over `job_open`: a policy's own settings come before the state of the world. What was held back
    is no request: it starts no cooldown, takes no budget and disarms nothing.

    Settings without a memory of their own: each method takes a `ChainMemory` and returns what follows from it.

    Parameters
    ----------
    for_steps
        Steps in which a request must have been wanted. A new champion starts the count again.
    of_steps
        The last steps that are counted, today among them; where fewer than `for_steps`, as many: wanted on end.
    rearm_when
        The re-arm level of a hysteresis, as a rule; empty: always armed.
    cooldown_days
        Days from one request to the next, at least.
    budget_per_year
        Requests within any 365 days, at most; 0 is no limit.

    Raises
    ------
    InputError
        If the rule cannot be read or a number is out of range.

    Examples
    --------
    >>> chain, memory = HoldBack(for_steps=2, of_steps=3), ChainMemory()
    >>> reasons = []
    >>> for day, asks in ((0, True), (30, False), (60, True), (90, False)):
    ...     memory = chain.seen(memory, asks=asks, is_rearmed=False)
    ...     reasons.append(chain.held_back_by(memory, day, job_open=False) if asks else "quiet")
    >>> reasons
    ['waiting', 'quiet', '', 'quiet']
    """

    for_steps: int = 1
    of_steps: int = 1
    rearm_when: str = ""
    cooldown_days: float = 0
    budget_per_year: int = 0
    rearm: Expression | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_days("cooldown_days", self.cooldown_days, minimum=0)
        check_steps("for_steps", self.for_steps)
        check_steps("of_steps", self.of_steps)
        check_count("budget_per_year", self.budget_per_year)
        object.__setattr__(self, "rearm", optional_rule(self.rearm_when))

    def seen(self, memory: ChainMemory, *, asks: bool, is_rearmed: bool) -> ChainMemory:
        """Return what is remembered once a step was seen, before its request if there is one.

        `asks` says whether the policy wants a request today, `is_rearmed` whether `rearm_when` is true.
        """
        window = max(self.for_steps, self.of_steps)
        asked = (memory.asked << 1 | asks) & ((1 << window) - 1)
        if asked == memory.asked and (memory.is_armed or not is_rearmed):
            return memory
        return ChainMemory(asked, memory.is_armed or is_rearmed, memory.request_days)

    def held_back_by(self, memory: ChainMemory, day: int, *, job_open: bool) -> str:
        """Return what holds back a request that is wanted on `day`, empty if nothing does."""
        if memory.asked.bit_count() < self.for_steps:
            return "waiting"
        if not memory.is_armed:
            return "disarmed"
        days = memory.request_days
        if days and day - days[-1] < self.cooldown_days:
            return "cooldown"
        if self.budget_per_year and sum(day - each < DAYS_PER_YEAR for each in days) >= self.budget_per_year:
            return "budget"
        return "job_open" if job_open else ""

    def requested(self, memory: ChainMemory, day: int) -> ChainMemory:
        """Return what is remembered once a request was made on `day`."""
        recent = tuple(each for each in memory.request_days if self.budget_per_year and day - each < DAYS_PER_YEAR)
        return ChainMemory(memory.asked, self.rearm is None, (*recent, day))

    def redeployed(self, memory: ChainMemory) -> ChainMemory:
        """Return what is remembered once there is a new champion: what was wanted of the old one is forgotten."""
        return replace(memory, asked=0)


SETTINGS = {each.name: each.default for each in fields(HoldBack) if each.init}
"""The settings of the chain with their defaults; a TOML table of a policy of any kind may have them."""


@dataclass(slots=True)
class HeldBack:
    """Any policy, with its retrainings and recalibrations held back by a chain of their own.

    A policy whose request is held back lives on as it does when a job is open: it has asked for nothing. Rollbacks
    and quarantines pass. What the policy holds back itself counts as wanted.

    Examples
    --------
    >>> from policies.always import Always
    >>> policy = HeldBack(Always(), HoldBack(cooldown_days=60))
    >>> [policy.decide(Signals(step=step, day=30 * step, job_open=False)).reason for step in range(3)]
    ['every step', 'cooldown', 'every step']
    """

    policy: Policy
    hold_back: HoldBack
    memory: ChainMemory = field(default=ChainMemory(), init=False, repr=False, compare=False)
    _history: History = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._history = History(trends_of(self.hold_back.rearm))

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that the policy and `rearm_when` look at."""
        return wanted(self.policy) | wants_of(self.hold_back.rearm)

    @property
    def trainings(self) -> frozenset[str]:
        """The training profiles that the policy's decisions may name."""
        return trainings_named(self.policy)

    def decide(self, signals: Signals) -> Decision:
        """Answer as the policy does, or `keep` with what held its request back."""
        chain, day = self.hold_back, signals.day
        is_rearmed = chain.rearm is not None and chain.rearm.holds(signals, self._history.see(signals))
        if_wanted = chain.seen(self.memory, asks=True, is_rearmed=is_rearmed)
        held_back_by = chain.held_back_by(if_wanted, day, job_open=False)
        decision = self._ask(signals, held_back_by)
        if decision.action in REQUESTS:
            self.memory = chain.requested(if_wanted, day)
            return decision
        asks = decision.action is Action.KEEP and decision.reason in _HELD
        self.memory = chain.seen(self.memory, asks=asks, is_rearmed=is_rearmed)
        if not asks or not held_back_by:
            return decision
        first = min(held_back_by, decision.reason, key=_HELD.index)
        return replace(decision, reason=first)

    def deployed(self, version: str) -> None:
        """Start to count and to look at trends again, and tell the policy."""
        self.memory = self.hold_back.redeployed(self.memory)
        self._history.forget()
        self.policy.deployed(version)

    def _ask(self, signals: Signals, held_back_by: str) -> Decision:
        """Return the policy's answer; where its request would be held back, the one that it gives to an open job."""
        if not held_back_by or signals.job_open:
            return self.policy.decide(signals)
        trial = deepcopy(self.policy)
        decision = trial.decide(signals)
        if decision.action not in REQUESTS:
            self.policy = trial
            return decision
        decision = self.policy.decide(replace(signals, job_open=True))
        if decision.action not in REQUESTS:
            return decision
        return replace(decision, action=Action.KEEP, reason=held_back_by, cause=Cause.NONE, training="")
