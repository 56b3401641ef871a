"""Quarantine: batches that stay out of training, gates, references and baselines for good."""

from collections.abc import Iterable

from sim.mlops.records.log import LogReader


def without_quarantined(steps: Iterable[int], log: LogReader) -> list[int]:
    """Return the steps whose batches are not in quarantine, in the same order."""
    apart = log.quarantined
    return [step for step in steps if step not in apart]
