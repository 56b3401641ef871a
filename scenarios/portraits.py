"""Portraits: what each scenario of the catalogue does to a model that is never retrained, as measured and stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Span:
    """A mean over seeds, and its 95 % interval; `low` and `high` are missing below five seeds."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a scenario does to its first champion, kept to the end.

    F1 is the expected F1 under the true propensities. The stale model's is given `before` the onset (over the whole
    life where nothing is injected), `at_work` in the steps in which any injector acts, and `late` in the last six of
    these; `fresh` is that of a model without any delay in the same last steps, and `calm` what the stale model would
    have had in them if nothing had been injected. `loss` is 1 - late / calm, each seed's by itself. `signals` has for
    each signal its mean before and at work, missing where it never was known; `psi_alarms` is the share of steps
    before with `psi_max > 0.25`.
    """

    population: str
    seeds: int
    before: Span
    fresh: Span
    at_work: Span | None = None
    late: Span | None = None
    calm: Span | None = None
    loss: Span | None = None
    psi_alarms: float = 0.0
    signals: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


_PORTRAITS = TypeAdapter(dict[str, Portrait])


@cache
def portraits() -> Mapping[str, Portrait]:
    """Return the stored portraits by the versioned name of their scenario."""
    return _PORTRAITS.validate_json((files("scenarios") / "catalogue" / "portraits.json").read_bytes())


def to_json(portraits: Mapping[str, Portrait]) -> str:
    """Return the text of a file of portraits, which `portraits` reads back as equal."""
    return _PORTRAITS.dump_json(dict(portraits), indent=1).decode() + "\n"
