"""The validator: has a challenger meet the gates on the holdout rows of the recent labelled window."""

from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Scenario
from sim.mlops.gates.checks import apply_gates
from sim.mlops.gates.evidence import Evidence
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.cohort import Cohort, LabelledRows, labelled_rows
from sim.mlops.models.logged import LoggedModel
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import Validation
from sim.mlops.records.log import LogReader, usable_steps
from sim.mlops.records.quarantine import without_quarantined
from sim.mlops.statistics.metrics import confusion, log_loss
from sim.world.schema.columns import Matrix, Schema, read_back, row_blocks
from sim.world.schema.lots import lots
from sim.world.world import World

MISSING_SHARE = 0.10

MeasureLatency = Callable[[Model, Matrix], float]
"""Measures the mean milliseconds of a single-row prediction."""

NoteLatency = Callable[[float], None]
"""Takes note of the measured milliseconds of a gate meeting."""

_CHOOSING_KEY = "choosing-of-best"  # of 16 letters
_Window = tuple[int, tuple[int, ...], float]
"""The step of a meeting, the steps of its rows, and the share of them that chose its challenger."""

KeptScores = MutableMapping[Hashable, Mapping[str, Matrix]]
"""Probabilities that examiners of one world keep."""


class Validator:
    """Compares challenger and champion on rows that neither has seen.

    Parameters
    ----------
    world, log
        Where the rows come from.
    profile
        The thresholds.
    measure_latency
        Measures the latency of a single row; only an enforced gate judges it. `None` measures nothing.
    scores
        Keeps every model's probabilities on the rows of a gate, for examiners of the same world; the models must
        outlive it. Nothing is kept without it.
    """

    def __init__(
        self,
        world: World,
        log: LogReader,
        profile: GateProfile,
        measure_latency: MeasureLatency | None = None,
        scores: KeptScores | None = None,
    ) -> None:
        self.profile = profile
        self._world = world
        self._log = log
        self._scores = scores
        self._stopwatch = measure_latency

    def validate(
        self,
        step: int,
        challenger: Model,
        champion: Model | None,
        best: Model | None = None,
        note_latency: NoteLatency = lambda _: None,
        choosing_share: float = 0.0,
    ) -> Validation:
        """Return the verdict at `step`; labels that arrive today are not yet visible.

        `best` is the best champion so far, for profiles whose gates ask for it. A challenger that was chosen among
        several on a share of the rows is judged on the others, which had no say in that.

        A measured latency is told to `note_latency`. The verdict has it only where its gate is enforced: elsewhere a
        wall clock would make equal lives unequal.
        """
        steps, everyone = self._gate_rows(step)
        rows = everyone.take(np.flatnonzero(~chooses(everyone, choosing_share))) if choosing_share else everyone
        window = (step, steps, choosing_share)
        evidence = self._evidence(window, rows, challenger, champion)
        if best is not None:
            evidence = replace(evidence, best=self._clean(window, rows, best), best_threshold=best.threshold)
        if self._stopwatch is not None:
            latency_ms = self._stopwatch(challenger, rows.features)
            note_latency(latency_ms)
            if self.profile.enforces("latency_ms"):
                evidence = replace(evidence, latency_ms=latency_ms)
        return Validation(
            step=step,
            day=self._world.day(step),
            gate_steps=steps,
            verdict=apply_gates(evidence, self.profile),
            challenger=confusion(rows.label, challenger.decide(evidence.challenger), rows.weight),
            champion=None
            if champion is None or evidence.champion is None
            else confusion(rows.label, champion.decide(evidence.champion), rows.weight),
            best=None
            if best is None or evidence.best is None
            else confusion(rows.label, best.decide(evidence.best), rows.weight),
        )

    def log_losses(self, step: int, challengers: Sequence[Model], choosing_share: float) -> tuple[float | None, ...]:
        """Return what each challenger of a tournament reaches on the share of the rows on which the best is chosen.

        The other rows of the gate are not looked at.
        """
        _, everyone = self._gate_rows(step)
        rows = everyone.take(np.flatnonzero(chooses(everyone, choosing_share)))
        return tuple(log_loss(rows.label, model.probability(rows.features), rows.weight) for model in challengers)

    def _gate_rows(self, step: int) -> tuple[tuple[int, ...], LabelledRows]:
        """Return the holdout rows that a gate meeting at `step` may look at, and the steps they come from."""
        scenario = self._world.scenario
        usable = without_quarantined(usable_steps(scenario, self._log, self._world.day(step - 1)), self._log)
        cohorts = newest_judged(self._log, usable, scenario)
        return tuple(cohort.step for cohort in cohorts), labelled_rows(cohorts, scenario.offers, holdout=True)

    def _evidence(self, window: "_Window", rows: LabelledRows, challenger: Model, champion: Model | None) -> Evidence:
        """Return what the models answer on the rows of a window."""
        return Evidence(
            label=rows.label,
            challenger=self._clean(window, rows, challenger),
            challenger_threshold=challenger.threshold,
            weight=rows.weight,
            champion=self._clean(window, rows, champion) if champion else None,
            champion_threshold=champion.threshold if champion else None,
            stressed=self._kept(
                ("stressed", window, id(challenger)), lambda: self._stressed(window[0], rows, challenger)
            ),
        )

    def _clean(self, window: Hashable, rows: LabelledRows, model: Model) -> Matrix:
        kept = self._kept(("clean", window, id(model)), lambda: {"clean": model.probability(rows.features)})
        return kept["clean"]

    def _stressed(self, step: int, rows: LabelledRows, model: Model) -> Mapping[str, Matrix]:
        if isinstance(model, LoggedModel):
            return {}  # nobody can ask it about customers whom it never scored
        rng = self._world.streams.generator("stress", step)
        found: dict[str, list[Matrix]] = {}
        for block in row_blocks(len(rows.label)):
            for name, features in stress(rows.features[block], self._world.schema, rng).items():
                found.setdefault(name, []).append(model.probability(features))
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _kept(self, key: Hashable, compute: Callable[[], Mapping[str, Matrix]]) -> Mapping[str, Matrix]:
        if self._scores is None:
            return compute()
        if key not in self._scores:
            self._scores[key] = compute()
        return self._scores[key]


def chooses(rows: LabelledRows, choosing_share: float) -> NDArray[np.bool_]:
    """Return who is among the share of customers on whom the best of several challengers is chosen.

    By a hash of the customer: one who is there twice is on one side.
    """
    return np.asarray(lots(rows.customer_id, _CHOOSING_KEY) < choosing_share)


def newest_judged(log: LogReader, usable: Sequence[int], scenario: Scenario) -> list[Cohort]:
    """Return the newest cohorts with a holdout row that counts, as many as a gate takes, in order of time.

    Where no cohort has one, the newest of all is returned, and the gates say that there is no evidence.
    """
    wanted = scenario.training.gate_window_steps
    found: list[Cohort] = []
    ahead = list(usable)
    while ahead and len(found) < wanted:
        cut = max(len(ahead) - (wanted - len(found)), 0)
        cohorts = log.cohorts(ahead[cut:])
        found = [each for each in cohorts if len(labelled_rows([each], scenario.offers, holdout=True).label)] + found
        ahead = ahead[:cut]
    return found or log.cohorts(usable[-1:])


def stress(features: Matrix, schema: Schema, rng: np.random.Generator) -> dict[str, Matrix]:
    """Return the features with 10 % of all values missing, with numbers read back from text, and as float32."""
    with np.errstate(over="ignore"):  # what is too large for float32 is endless there, as it would be in production
        single = features.astype(np.float32).astype(np.float64)
    return {
        "missing": np.where(rng.random(features.shape) < MISSING_SHARE, np.nan, features),
        "text": _through_text(features, schema),
        "float32": single,
    }


def _through_text(features: Matrix, schema: Schema) -> Matrix:
    """Return the features as a table would give them whose numeric columns have become text."""
    read = features.copy()
    for position in schema.number_positions:
        read[:, position] = read_back(features[:, position])
    return read
