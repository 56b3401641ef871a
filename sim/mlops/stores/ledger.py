"""The ledger: which of MLflow's models is which job's; it is believed before what MLflow says."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from scenarios.schema import Recipe


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered model: whose it is, where it lies in MLflow, and what its files were when they were sent there.

    Parameters
    ----------
    version
        The number of the model in its life, from 1.
    job
        The name of the job, or of one of the job's candidates; no other model of the life has it.
    number, run_id, model_id
        MLflow's own number of the version, its run, and its logged model.
    digest
        The SHA-256 of all files of the logged model.
    recipe
        What the model was made with.
    """

    version: int
    job: str
    number: str
    run_id: str
    model_id: str
    digest: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Place:
    """Where a life is told in MLflow: its experiment and its own run."""

    experiment_id: str
    run_id: str


@dataclass
class Ledger:
    """The registered models of one life, in the order of registering, and the life's own place once it is known."""

    place: Place | None = None
    _models: list[Registered] = field(default_factory=list)

    def __iter__(self) -> Iterator[Registered]:
        """Go through the models in order."""
        return iter(self._models)

    def __len__(self) -> int:
        """Count the models."""
        return len(self._models)

    def __getitem__(self, version: int) -> Registered:
        """Return the model of a version; versions count from 1."""
        return self._models[version - 1]

    def of_job(self, job: str) -> Registered | None:
        """Return the model of a job, `None` if it has none yet."""
        return next((model for model in self._models if model.job == job), None)

    def add(self, model: Registered) -> None:
        """Note a model that was just registered."""
        if model.version != len(self) + 1:
            msg = f"versions of a life are counted one by one, but after {len(self)} came {model.version}"
            raise ValueError(msg)
        self._models.append(model)

    def since(self, count: int) -> tuple[Registered, ...]:
        """Return the models after the first `count`."""
        return tuple(self._models[count:])
