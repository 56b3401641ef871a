"""A tournament: several challengers of one request, of which at most one is promoted."""

from collections.abc import Sequence
from dataclasses import replace

from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Challenger, Job


def entered(job: Job, windows: Sequence[TrainingWindow]) -> Job:
    """Return a job with a challenger for each window that a model was trained on; none of them is chosen yet."""
    challengers = tuple(Challenger(window.profile, window) for window in windows)
    return replace(job, window=windows[0], challengers=challengers)


def best_of(job: Job, log_losses: Sequence[float | None]) -> tuple[Job, int]:
    """Return the job with its best challenger chosen, and the number of that one.

    The best has the lowest log-loss; of equals, and where nothing is known, the first.
    """
    known = [(loss, index) for index, loss in enumerate(log_losses) if loss is not None]
    index = min(known)[1] if known else 0
    challengers = tuple(
        replace(each, log_loss=loss, is_chosen=number == index)
        for number, (each, loss) in enumerate(zip(job.challengers, log_losses, strict=True))
    )
    return replace(job, window=challengers[index].window, challengers=challengers), index
