"""Contestants: the policies of a comparison, and how each comes to a record in a replayed world."""

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from policies.catalogue import catalogue, load_policy
from policies.conditions import AtLeast
from policies.decision import wanted
from policies.expression import Expression
from policies.spec import PolicySpec
from sim.errors import InputError, did_you_mean
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.records.record import Record
from sim.study.comparison.grid import expand, placeholders
from sim.study.lives.forks import follow
from sim.study.lives.herd import Herd
from sim.study.replay.replay import Replay
from sim.study.replay.schedule import coins
from sim.study.scores.oracle import Plan

ORACLE = "oracle"
_STUDY_MADE = (ORACLE, "coin")
_COIN = re.compile(r"coin\(\s*like\s*=\s*(?P<like>.+?)\s*\)")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One policy of a comparison.

    `spec` builds it, unless it is a schedule that the study makes: the oracle, or a coin `like` another contestant.
    `drops` names the clause that an ablation leaves out of the rule of the contestant `of`. `training` is what its
    retrainings learn by where a decision names nothing, the scenario's profile if it is `None`.
    """

    name: str
    spec: PolicySpec | None = None
    like: str | None = None
    of: str | None = None
    drops: str | None = None
    training: TrainingProfile | None = None

    @property
    def identity(self) -> str | None:
        """What it is in full: policy and training profile; `None` for a schedule that the study makes as it is."""
        told = self.spec.to_toml() if self.spec else ""
        return (told + (f"# {self.training!r}\n" if self.training else "")) or None

    @property
    def is_ablation(self) -> bool:
        """Whether it stands in the comparison only to show what a clause is worth."""
        return self.of is not None


def contestants(
    texts: Sequence[str], grid: Mapping[str, Sequence[float]], trainings: Sequence[TrainingProfile] = ()
) -> tuple[Contestant, ...]:
    """Return the contestants that the texts name, with placeholders filled in and one ablation for each clause.

    With several `trainings` a policy stands once for each of them, as `NAME on TRAINING`; one that never retrains,
    says itself what it learns from, or is the oracle (which chooses among all of them) stands once.

    `oracle` is the best schedule in hindsight, `coin(like=NAME)` as many retrainings as another policy's at random
    steps; anything else is read as a policy, in which `{a}` stands for each value of the grid's `a` in turn.

    Raises
    ------
    InputError
        If a text names no policy, two policies share a name, a placeholder has no values or values no placeholder, or
        a coin is like no contestant.
    """
    _check_use(texts, grid)
    expanded = [text for given in texts for text in expand(given, grid)]
    named = list(dict.fromkeys(_contestant(text) for text in expanded))
    found = [each for contestant in named for each in _on(contestant, trainings)]
    _check_names(found)
    for contestant in found:
        if contestant.like is not None and contestant.like not in {other.name for other in found if other.spec}:
            msg = (
                f"a coin must be like another policy of the comparison, got {contestant.like!r}; add --policy for it."
            )
            raise InputError(msg)
    return tuple(found) + tuple(ablation for contestant in found for ablation in ablations(contestant))


def _on(contestant: Contestant, trainings: Sequence[TrainingProfile]) -> list[Contestant]:
    """Return a contestant once for each training profile that makes a difference to it."""
    spec = contestant.spec
    is_set = spec is not None and (spec.kind == "never" or bool(spec.training))
    if not trainings or is_set or contestant.name == ORACLE:
        return [contestant]
    if len(trainings) == 1:
        return [replace(contestant, training=trainings[0])]
    return [
        replace(
            contestant,
            name=f"{contestant.name} on {each.name}",
            like=f"{contestant.like} on {each.name}" if contestant.like else None,
            training=each,
        )
        for each in trainings
    ]


def ablations(contestant: Contestant) -> list[Contestant]:
    """Return the contestant's rule without each of its clauses in turn, where it is clauses joined by `or`."""
    spec = contestant.spec
    if spec is None or spec.kind != "rule":
        return []
    root = Expression.parse(str(spec.parameters["retrain_when"])).root
    if not isinstance(root, AtLeast) or root.minimum != 1:
        return []
    texts = [part.text for part in root.parts]
    return [_ablation(contestant, spec, root, texts.index(text)) for text in dict.fromkeys(texts)]


@dataclass(frozen=True, slots=True)
class Arena:
    """A world under one gate profile, in which policies that differ by their names alone are played once.

    So the rules that a clause less makes of a grid, most of which are the same, cost what those that differ do.
    """

    replay: Replay
    profile: GateProfile
    _played: dict[Hashable, Record] = field(default_factory=dict)

    def play(self, contestant: Contestant, spec: PolicySpec) -> Record:
        """Return the record of a contestant whose policy is given."""
        life = _life(contestant, spec)
        if life not in self._played:
            policy = spec.build()
            self._played[life] = self.replay.record(policy, self.profile, "", training=contestant.training)
        return replace(self._played[life], policy=contestant.name, policy_toml=spec.to_toml())

    def play_together(self, contestants: Sequence[Contestant]) -> None:
        """Play the rules among contestants as herds, in which what several live alike is lived once.

        A rule that fails, or asks for signals that are measured on request, is left to `play`. What a job of such a
        record gives as its reason may be the words of another rule that acted alike.
        """
        herds: dict[TrainingProfile | None, dict[Hashable, PolicySpec]] = {}
        for each in contestants:
            if each.spec is not None and each.spec.kind == "rule":
                herds.setdefault(each.training, {})[_life(each, each.spec)] = each.spec
        for training, specs in herds.items():
            with suppress(Exception):  # `play` meets the same error, and says whose it is
                self._play_herd(training, specs)

    def _play_herd(self, training: TrainingProfile | None, specs: Mapping[Hashable, PolicySpec]) -> None:
        built = {str(number): (life, spec.build()) for number, (life, spec) in enumerate(specs.items())}
        herd = Herd({name: policy for name, (_, policy) in built.items() if not wanted(policy)})
        if not herd.members:
            return
        for lived in follow(self.replay, self.profile, herd, training, most=len(herd.members) + 1):
            for name in lived.crowd.names:
                self._played[built[name][0]] = herd.own_record(name, lived.record)


def _life(contestant: Contestant, spec: PolicySpec) -> Hashable:
    """Return what tells the life of a contestant from others, which is not its name."""
    return spec.kind, tuple(spec.parameters.items()), spec.code, spec.training, contestant.training


def play_contestant(contestant: Contestant, arena: Arena, known: Mapping[str, Record], best: Plan) -> Record | None:
    """Return the contestant's record in a world; `known` holds those of other contestants that a coin may be like.

    Missing for the oracle where there is none.
    """
    if contestant.spec is not None:
        return arena.play(contestant, contestant.spec)
    if contestant.like is not None:
        if contestant.like not in known:
            msg = f"a coin needs the record of {contestant.like}, which failed"
            raise RuntimeError(msg)
        return placebo(known[contestant.like], arena.replay, arena.profile, contestant)
    if best.schedule is None:
        return None
    return arena.replay.record(best.schedule, arena.profile, contestant.name, known=best.trainings)


def placebo(model: Record, replay: Replay, profile: GateProfile, contestant: Contestant) -> Record:
    """Return the record of the first coin that asks as often as its model, or of the one that comes nearest."""
    wanted = len(model.retrainings)
    played: list[Record] = []
    for coin in coins(model):
        played.append(replay.record(coin, profile, contestant.name, training=contestant.training))
        if len(played[-1].retrainings) == wanted:
            break
    return max(played, key=lambda record: len(record.retrainings))


def _contestant(text: str) -> Contestant:
    tidy = text.strip()
    if tidy == ORACLE:
        return Contestant(ORACLE)
    if match := _COIN.fullmatch(tidy):
        like = load_policy(match["like"]).name
        return Contestant(f"coin(like={like})", like=like)
    if tidy.isidentifier() and tidy not in catalogue() and did_you_mean(tidy, [*catalogue(), *_STUDY_MADE]):
        hint = did_you_mean(tidy, [*catalogue(), *_STUDY_MADE])
        msg = f"a policy must be a name of the catalogue, {ORACLE}, coin(like=POLICY) or a rule, got {tidy!r}.{hint}"
        raise InputError(msg)
    spec = load_policy(tidy)
    return Contestant(spec.name, spec)


def _ablation(contestant: Contestant, spec: PolicySpec, root: AtLeast, index: int) -> Contestant:
    parts = [part for position, part in enumerate(root.parts) if position != index]
    rest = parts[0].text if len(parts) == 1 else AtLeast(1, tuple(parts)).text
    name = f"{contestant.name} without {root.parts[index].text}"
    changed = PolicySpec(name, "rule", {**spec.parameters, "retrain_when": rest}, training=spec.training)
    return replace(contestant, name=name, spec=changed, of=contestant.name, drops=root.parts[index].text)


def _check_use(texts: Sequence[str], grid: Mapping[str, Sequence[float]]) -> None:
    used = {name for text in texts for name in placeholders(text)}
    for name in grid:
        if name not in used:
            hint = did_you_mean(name, used)
            msg = f"a --grid must fill a placeholder of a --policy, got {name!r}; write {{{name}}} in one.{hint}"
            raise InputError(msg)


def _check_names(found: Sequence[Contestant]) -> None:
    for name, count in Counter(contestant.name for contestant in found).items():
        if count > 1:
            msg = f"each policy of a comparison must have a name of its own, got two called {name!r}; rename one."
            raise InputError(msg)
