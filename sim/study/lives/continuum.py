"""The continuum: every setting of a rule at once, as boxes that are split where settings answer differently."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from policies.conditions import Evidence
from policies.decision import Action, Decision
from policies.expression import Expression
from policies.hold_back import DAYS_PER_YEAR
from policies.signals import Signals
from policies.trend import History
from sim.errors import InputError
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.records.record import Record
from sim.study.lives.box import Axis, Box, Cut, merged, overlap
from sim.study.lives.forks import MOST_LIVES, Allow, See, acts, follow
from sim.study.lives.outcomes import Asked, Outcomes, divided
from sim.study.lives.template import Template, Variant
from sim.study.replay.replay import Replay

MOST_BOXES = 20_000
"""Boxes of one life that are followed."""
_KEEP = Decision(Action.KEEP, "")


class _Memory(NamedTuple):
    """What a rule remembers beyond what its life shows: in which of the last steps it was true, whether it is armed.

    `asked` has a bit for each step, the newest lowest.
    """

    asked: int
    is_armed: bool


_FRESH = _Memory(0, is_armed=True)


@dataclass(frozen=True, slots=True)
class Region:
    """The settings that lead one life, as disjoint boxes, and the record of that life.

    The record is as in a single replay of each of them, without the words of reasons and the values of clauses.
    """

    boxes: tuple[Box, ...]
    record: Record


def regions(
    replay: Replay,
    profile: GateProfile,
    template: Template,
    box: Box | None = None,
    training: TrainingProfile | None = None,
    most: int = MOST_LIVES,
) -> list[Region]:
    """Return every life that any setting of a rule leads in a world, and by which settings.

    Together the regions have every setting of `box`, the whole real line unless given, and no two share one. They
    are split at the values of the signals themselves, so that `>` and `>=` differ where a setting equals one.

    Raises
    ------
    InputError
        If the settings lead more than `most` lives, or a life is led in too many boxes.
    """
    found: dict[object, Region] = {}
    for variant in template.variants(len(replay.world.steps)):
        start = overlap(variant.box, box or template.whole)
        if start is None:
            continue
        for lived in follow(replay, profile, Continuum.of(template, variant, start), training, most):
            boxes, record = lived.crowd.boxes, lived.record
            key = tuple(acts(row.decision) for row in record.steps)
            if key in found:
                boxes, record = [*found[key].boxes, *boxes], found[key].record
            found[key] = Region(tuple(merged(list(boxes))), record)
    if len(found) > most:
        raise InputError(f"settings may lead at most {most:,} lives in one world, but these lead {len(found):,}.")
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of the rule that holds requests back: given, or that of an axis."""

    value: float
    axis: int | None

    def most(self, box: Box) -> float:
        """Return the largest number in a box."""
        return self.value if self.axis is None else box[self.axis].high.value

    def split(
        self, box: Box, cut: Cut, axes: tuple[Axis, ...], *, is_flipped: bool = False
    ) -> Iterator[tuple[Box, bool]]:
        """Yield the parts of a box with whether the number lies above a cut there; below it if flipped."""
        if self.axis is None:
            yield box, (Cut(self.value, is_after=False) >= cut) is not is_flipped
            return
        for part in divided(box, self.axis, cut, axes):
            yield part, (part[self.axis].low >= cut) is not is_flipped


@dataclass(frozen=True, slots=True)
class _Rule:
    """What all settings share: the rule with marks in place of placeholders, ready to split boxes.

    `training` is the training profile that requests learn by whose clause names none, empty for the run's own.
    `is_plain` says that no setting looks back or is held back: what a setting asks for follows from today's signals.
    """

    axes: tuple[Axis, ...]
    retrain: Outcomes
    rearm: Outcomes | None
    cooldown: _Number
    for_steps: _Number
    of_steps: _Number
    budget: _Number
    training: str
    is_plain: bool

    @property
    def trends(self) -> History:
        """A history of the trends that it looks at, without any values."""
        rules = [self.retrain.expression, *([self.rearm.expression] if self.rearm else [])]
        return History(tuple(dict.fromkeys(trend for rule in rules for trend in rule.trends)))

    @classmethod
    def of(cls, axes: tuple[Axis, ...], variant: Variant) -> "_Rule":
        """Return the rule of a variant of a template."""
        given, marks = variant.spec.parameters, variant.marks

        def number(name: str) -> _Number:
            value = float(given.get(name, 1))
            return _Number(value, marks.get(value))

        retrain, rearm = str(given["retrain_when"]), str(given["rearm_when"])
        cooldown, for_steps, budget = number("cooldown_days"), number("for_steps"), number("budget_per_year")
        return cls(
            axes=axes,
            retrain=Outcomes(Expression.parse(retrain), marks, axes),
            rearm=Outcomes(Expression.parse(rearm), marks, axes) if rearm else None,
            cooldown=cooldown,
            for_steps=for_steps,
            of_steps=number("of_steps"),
            budget=budget,
            training=variant.spec.training,
            is_plain=not rearm
            and (cooldown, for_steps, budget) == (_Number(0, None), _Number(1, None), _Number(0, None)),
        )


@dataclass(slots=True)
class Continuum:
    """All settings of a rule that have lived one life so far: boxes, by what the rule remembers in them."""

    rule: _Rule
    cells: Mapping[_Memory, Sequence[Box]]
    trainings: frozenset[str]
    wants: frozenset[str]
    history: History
    request_days: tuple[int, ...] = field(default=())

    @classmethod
    def of(cls, template: Template, variant: Variant, box: Box) -> "Continuum":
        """Return all settings of a box before they have seen anything."""
        policy, rule = variant.spec.build(), _Rule.of(template.axes, variant)
        trainings = frozenset(getattr(policy, "trainings", ()))
        return cls(rule, {_FRESH: [box]}, trainings, frozenset(getattr(policy, "wants", ())), rule.trends)

    @property
    def boxes(self) -> list[Box]:
        """Every setting, as disjoint boxes."""
        return merged([box for boxes in self.cells.values() for box in boxes])

    def deployed(self, version: str) -> None:  # noqa: ARG002 - any new champion will do
        """Start to count steps and trends again."""
        forgotten = defaultdict[_Memory, list[Box]](list)
        for memory, boxes in self.cells.items():
            forgotten[memory._replace(asked=0)] += boxes
        self.cells = {memory: merged(boxes) for memory, boxes in forgotten.items()}
        self.history.forget()

    def decide(self, see: See, allow: Allow) -> "Sequence[tuple[Decision, Continuum]]":
        """Split every box by what the rule answers there, and part those that act differently."""
        signals = see(self.wants)
        trends = self.history.see(signals)
        rearm = self.rule.rearm
        seen = _Day(
            self.rule,
            signals,
            {**self.rule.retrain.expression.evidence(signals), **trends},
            {**rearm.expression.evidence(signals), **trends} if rearm else {},
            self.request_days,
        )
        parts: dict[Asked | None, defaultdict[_Memory, list[Box]]] = {}
        for memory, boxes in self.cells.items():
            for box in boxes:
                for piece, after, asked in seen.answers(box, memory):
                    parts.setdefault(asked, defaultdict(list))[after].append(piece)
        return [
            (allow(self._decision(asked)), self._part(asked, cells, signals.day)) for asked, cells in parts.items()
        ]

    def _decision(self, asked: Asked | None) -> Decision:
        if asked is None:
            return _KEEP
        return Decision(Action.RETRAIN, "", asked.cause, training=asked.training or self.rule.training)

    def _part(self, asked: Asked | None, cells: Mapping[_Memory, list[Box]], today: int) -> "Continuum":
        whole = {memory: merged(boxes) for memory, boxes in cells.items()}
        if sum(len(boxes) for boxes in whole.values()) > MOST_BOXES:
            raise InputError(
                f"one life may be led in at most {MOST_BOXES:,} boxes of settings, but this rule needs more; put a "
                f"number in place of a placeholder, or search a smaller range."
            )
        asked_on = self.request_days if asked is None else (*self.request_days, today)
        history = deepcopy(self.history) if self.history.trends else self.history
        return Continuum(self.rule, whole, self.trainings, self.wants, history, asked_on)


def _steps_needed(steps: int, wanted: int) -> float:
    """Return how many of the last steps must count for a rule to have been true in `wanted` of them.

    A window is at least `wanted` long, so where it was true on end any number will do.
    """
    seen = 0
    for length in range(1, steps.bit_length() + 1):
        seen += steps >> (length - 1) & 1
        if seen >= wanted:
            return 0 if length <= wanted else length
    return math.inf


@dataclass(frozen=True, slots=True)
class _Day:
    """One day of a life: what its settings see, and what has held and will hold them back."""

    rule: _Rule
    signals: Signals
    evidence: Evidence
    rearm_evidence: Evidence
    request_days: tuple[int, ...]

    def answers(self, box: Box, memory: _Memory) -> Iterator[tuple[Box, _Memory, Asked | None]]:
        """Yield the parts of a box with what the rule remembers and how it asks; the order is that of `Rule`."""
        if self.signals.job_open and not self._remembers(box):
            yield box, memory, None
            return
        if self.rule.is_plain:
            yield from ((part, memory, asked) for part, asked in self.rule.retrain.split(box, self.evidence))
            return
        for part, asked in self.rule.retrain.split(box, self.evidence):
            steps = (memory.asked << 1 | (asked is not None)) & self._window(part)
            for piece, is_armed in self._armed(part, memory.is_armed):
                after = _Memory(steps, is_armed)
                if asked is None or not is_armed or self.signals.job_open:
                    yield piece, after, None
                    continue
                for end, is_held in self._held_back(piece, steps):
                    disarmed = after if is_held else _Memory(steps, is_armed=self.rule.rearm is None)
                    yield end, disarmed, None if is_held else asked

    def _remembers(self, box: Box) -> bool:
        """Whether what is true today matters later."""
        return self.rule.rearm is not None or self.rule.for_steps.most(box) > 1

    def _window(self, box: Box) -> int:
        """Return the bits of the steps that some setting of a box looks back to."""
        if self.rule.for_steps.most(box) <= 1:
            return 1
        steps = max(self.rule.for_steps.most(box), self.rule.of_steps.most(box))
        return (1 << int(min(steps, self.signals.step + 1))) - 1

    def _armed(self, box: Box, was_armed: bool) -> Iterator[tuple[Box, bool]]:
        if self.rule.rearm is None or was_armed:
            yield box, True
            return
        for part, truth in self.rule.rearm.split(box, self.rearm_evidence):
            yield part, truth is not None

    def _held_back(self, box: Box, steps: int) -> Iterator[tuple[Box, bool]]:
        """Yield the parts of a box with whether waiting, cooldown or budget hold a true rule back there."""
        for part, is_waiting in self._waiting(box, steps):
            if is_waiting:
                yield part, True
                continue
            for piece, is_cooling in self._cooling(part):
                if is_cooling:
                    yield piece, True
                    continue
                yield from self._over_budget(piece)

    def _waiting(self, box: Box, steps: int) -> Iterator[tuple[Box, bool]]:
        """Yield the parts of a box with whether the rule was true in too few of the last steps, `steps` as bits."""
        rule = self.rule
        if rule.for_steps.most(box) <= 1:
            yield box, False
            return
        waiting = [(box, 1)]
        while waiting:
            part, wanted = waiting.pop()
            for piece, is_more in rule.for_steps.split(part, Cut(wanted + 1, is_after=False), rule.axes):
                if not is_more:
                    needed = _steps_needed(steps, wanted)
                    yield from rule.of_steps.split(piece, Cut(needed, is_after=False), rule.axes, is_flipped=True)
                elif wanted < steps.bit_count():
                    waiting.append((piece, wanted + 1))
                else:
                    yield piece, True

    def _cooling(self, box: Box) -> Iterator[tuple[Box, bool]]:
        if not self.request_days:
            yield box, False
            return
        waited = self.signals.day - self.request_days[-1]
        yield from self.rule.cooldown.split(box, Cut(waited, is_after=True), self.rule.axes)

    def _over_budget(self, box: Box) -> Iterator[tuple[Box, bool]]:
        spent = sum(self.signals.day - day < DAYS_PER_YEAR for day in self.request_days)
        for part, has_limit in self.rule.budget.split(box, Cut(1, is_after=False), self.rule.axes):
            if not has_limit:
                yield part, False
                continue
            for piece, is_more in self.rule.budget.split(part, Cut(spent + 1, is_after=False), self.rule.axes):
                yield piece, not is_more
