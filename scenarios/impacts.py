"""Impacts: what each scenario of the catalogue does to a model that is never retrained, as measured and stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import tomli_w
from pydantic import TypeAdapter

from scenarios.schema import Scenario


@dataclass(frozen=True, slots=True)
class ImpactMean:
    """A mean over seeds, and its 95 % interval; `low` and `high` are missing below five seeds."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """What a scenario does to its first champion, kept to the end.

    F1 is the expected F1 under the true propensities. The stale model's is given `before` the onset (over the whole
    life where nothing is injected), `at_work` in the steps in which any injector acts, and `late` in the last six of
    these; `fresh` is that of a model without any delay in the same last steps, and `calm` what the stale model would
    have had in them if nothing had been injected. `loss` is 1 - late / calm, each seed's by itself. `signals` has for
    each signal its mean before and at work, missing where it never was known; `psi_alarms` is the share of steps
    before with `psi_max > 0.25`. `digest` is that of the scenario that was measured.
    """

    digest: str
    population: str
    seeds: int
    before: ImpactMean
    fresh: ImpactMean
    at_work: ImpactMean | None = None
    late: ImpactMean | None = None
    calm: ImpactMean | None = None
    loss: ImpactMean | None = None
    psi_alarms: float = 0.0
    signals: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


_IMPACTS = TypeAdapter(dict[str, Impact])


@cache
def impacts() -> Mapping[str, Impact]:
    """Return the stored impacts by the versioned name of their scenario."""
    return _IMPACTS.validate_json((files("scenarios") / "catalogue" / "impacts.json").read_bytes())


def impact_of(scenario: Scenario) -> Impact | None:
    """Return the stored impact of a scenario, `None` for one that is not what was measured."""
    found = impacts().get(scenario.name)
    return found if found is not None and found.digest == digest_of(scenario) else None


def digest_of(scenario: Scenario) -> str:
    """Return a digest of what a scenario does, whatever its words and the currency that its amounts are shown in."""
    silent = scenario.model_copy(update={"title": "", "story": ""})
    content = silent.model_dump(mode="json", exclude_none=True, exclude={"prices": {"currency"}})
    return hashlib.sha256(tomli_w.dumps(content).encode()).hexdigest()[:12]


def to_json(impacts: Mapping[str, Impact]) -> str:
    """Return the text of a file of impacts, which `impacts` reads back as equal."""
    return _IMPACTS.dump_json(dict(impacts), indent=1).decode() + "\n"
