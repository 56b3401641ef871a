"""What the loop works with, and what it remembers between two steps."""

from dataclasses import dataclass, field
from typing import Protocol

from sim.mlops.examiner import Examiner
from sim.mlops.jobs import Deployed, Job
from sim.mlops.log import InferenceLog
from sim.mlops.monitor import Monitor
from sim.mlops.record import StepRow
from sim.mlops.registry import Registry
from sim.mlops.stopwatch import Stopwatch
from sim.mlops.trainer import Trainer
from sim.world.mail import Mail
from sim.world.world import World


@dataclass
class State:
    """Where the life of a model stands between two steps; small, and all that a resumed run needs."""

    first: Job
    champion: Deployed
    next_step: int = 0
    previous: Deployed | None = None
    job: Job | None = None
    is_rollback_due: bool = False
    may_roll_back: bool = False


class Journal(Protocol):
    """Makes what a step did last, all of it or nothing."""

    def begin(self) -> None:
        """Open a step."""
        ...

    def commit(self, state: State, row: StepRow | None) -> None:
        """Close a step (`row` is `None` for what comes before step 0)."""
        ...


class NoJournal:
    """Keeps nothing: a life in memory starts again from the beginning."""

    def begin(self) -> None:
        """Open a step."""

    def commit(self, state: State, row: StepRow | None) -> None:
        """Close a step."""


@dataclass(frozen=True)
class Parts:
    """What the loop works with."""

    world: World
    log: InferenceLog
    registry: Registry
    trainer: Trainer
    examiner: Examiner
    monitor: Monitor
    journal: Journal = field(default_factory=NoJournal)
    mail: Mail = field(default_factory=Mail)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
