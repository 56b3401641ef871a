"""The herd: policies of any kind that live one life until they act differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from policies.decision import Decision, Policy, trainings_named, wanted
from sim.mlops.records.record import Record
from sim.study.lives.forks import Allow, See, acts


@dataclass(slots=True)
class Herd:
    """Policies by the names of those who keep them; each sees what it would see alone.

    A policy that raises an error leaves the herd, which goes on without it: `failed` has the error by its name.
    `decisions` has what each has decided so far, in its own words. Both are shared by all parts of a herd.
    """

    members: Mapping[str, Policy]
    failed: dict[str, Exception] = field(default_factory=dict)
    decisions: dict[str, list[Decision]] = field(default_factory=dict)

    @property
    def trainings(self) -> frozenset[str]:
        """The training profiles that any of them may name."""
        return frozenset().union(*(trainings_named(policy) for policy in self.members.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Who is left of those that began the life."""
        return tuple(name for name in self.members if name not in self.failed)

    def deployed(self, version: str) -> None:
        """Tell every policy."""
        for name in self.names:
            try:
                self.members[name].deployed(version)
            except Exception as error:  # noqa: BLE001 - anybody's code; the others go on
                self.failed[name] = error

    def decide(self, see: See, allow: Allow) -> "Sequence[tuple[Decision, Herd]]":
        """Ask every policy, and part those that act differently."""
        parts: dict[object, tuple[Decision, dict[str, Policy]]] = {}
        for name in self.names:
            policy = self.members[name]
            try:
                decision = allow(policy.decide(see(wanted(policy))))
            except Exception as error:  # noqa: BLE001 - as above
                self.failed[name] = error
                continue
            self.decisions.setdefault(name, []).append(decision)
            parts.setdefault(acts(decision), (decision, {}))[1][name] = policy
        return [(decision, Herd(members, self.failed, self.decisions)) for decision, members in parts.values()]

    def own_record(self, name: str, record: Record) -> Record:
        """Return the record of the life that a policy led in this herd, with its own decisions in it."""
        rows = zip(record.steps, self.decisions.get(name, ()), strict=True)
        return replace(record, steps=tuple(replace(row, decision=decision) for row, decision in rows))
