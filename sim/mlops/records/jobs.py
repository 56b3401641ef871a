"""Jobs and the models that come of them: plain facts, no behaviour."""

from dataclasses import dataclass
from enum import StrEnum

from policies.decision import Action, Cause
from sim.mlops.gates.checks import Verdict
from sim.mlops.models.training import TrainingWindow
from sim.mlops.statistics.metrics import Confusion

FIRST_JOB = "first"


NO_WINDOW = TrainingWindow((), (), 0, 0)


class Status(StrEnum):
    """Where a job stands."""

    OPEN = "open"
    PROMOTED = "promoted"
    REJECTED = "rejected"


class Alias(StrEnum):
    """The registry aliases."""

    CHAMPION = "Champion"
    CHALLENGER = "Challenger"
    PREVIOUS_CHAMPION = "Previous_Champion"


@dataclass(frozen=True, slots=True)
class Validation:
    """A challenger's meeting with the gates: when, on the holdout rows of which steps, and the verdict.

    `challenger`, `champion` and `best` (the best champion so far) count their predictions on the same rows.
    `champion` is missing for the first model, and `best` where no gate asks for it.
    """

    step: int
    day: int
    gate_steps: tuple[int, ...]
    verdict: Verdict
    challenger: Confusion
    champion: Confusion | None
    best: Confusion | None = None

    @property
    def is_new_best(self) -> bool:
        """Whether the challenger did as well as the best champion so far, where a gate asks for that one."""
        return self.best is not None and (self.challenger.f1 or 0.0) >= (self.best.f1 or 0.0)


@dataclass(frozen=True, slots=True)
class Challenger:
    """One of the models that a tournament trained: its training profile and rows.

    `log_loss` is what it reached on the rows on which the best is chosen, known (if it can be) once that is done.
    """

    profile: str
    window: TrainingWindow
    log_loss: float | None = None
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A retraining or recalibration: asked for, made, validated, promoted or rejected. Its name also names its model.

    `window` and `version` are known once the model is made and registered. A recalibration keeps trees that were
    asked for on `trees_day` and trained on `trees_steps`; its own window is that of the rows it was calibrated on.
    `training` names the training profile that its decision asked for, empty for the run's own.

    A tournament's job has several `challengers`. One of them is chosen when the gates are due; until then `version`
    is 0 and the window that of the first of them.
    """

    name: str
    requested_step: int
    requested_day: int
    cause: Cause
    reason: str
    window: TrainingWindow = NO_WINDOW
    version: int = 0
    status: Status = Status.OPEN
    meeting: Validation | None = None
    ended_step: int | None = None
    ended_day: int | None = None
    action: Action = Action.RETRAIN
    trees_day: int | None = None
    trees_steps: tuple[int, ...] = ()
    training: str = ""
    challengers: tuple[Challenger, ...] = ()

    @property
    def trainings(self) -> int:
        """How many models were trained, each of which is paid for; a recalibration trains none."""
        return max(len(self.challengers), 1) if self.action is Action.RETRAIN else 0

    @property
    def reference_steps(self) -> tuple[int, ...]:
        """The recent steps that the trees were trained on."""
        return self.trees_steps or self.window.recent_steps


def why_not(job: Job, challenger: Challenger) -> str:
    """Say why a challenger of a tournament was not promoted; empty if it was, or nothing is decided yet."""
    chosen = next((each for each in job.challengers if each.is_chosen), None)
    if chosen is None or job.status is Status.OPEN:
        return ""
    if not challenger.is_chosen:
        return f"{chosen.profile} was chosen: log-loss {_figure(chosen)}, against {_figure(challenger)} here"
    if job.status is Status.PROMOTED or job.meeting is None:
        return ""
    return f"chosen, but failed {', '.join(job.meeting.verdict.failed)}"


def _figure(challenger: Challenger) -> str:
    return "missing" if challenger.log_loss is None else f"{challenger.log_loss:.4f}"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model that serves or has served.

    `requested_day` is the day its trees were asked for, `reference_steps` the recent steps they were trained on;
    `gate_steps` and `baseline` come from its own gate.
    """

    job: str
    version: int
    requested_day: int
    reference_steps: tuple[int, ...]
    gate_steps: tuple[int, ...]
    baseline: Confusion


@dataclass(frozen=True, slots=True)
class AliasChange:
    """An alias that was moved to a version."""

    step: int
    day: int
    alias: Alias
    job: str
    version: int


def deployed(job: Job) -> Deployed:
    """Return the model of a job that has met its gates."""
    if job.meeting is None:
        msg = f"a job must have met its gates before its model is deployed, {job.name} has not"
        raise ValueError(msg)
    return Deployed(
        job.name,
        job.version,
        job.requested_day if job.trees_day is None else job.trees_day,
        job.reference_steps,
        job.meeting.gate_steps,
        job.meeting.challenger,
    )
