"""The study file: what a comparison was asked, which tells whose results a folder holds."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from sim.json_file import read_json, write_json

STUDY_FILE = "study.json"


@dataclass(frozen=True, slots=True)
class StudyIdentity:
    """What must be the same for results to belong to one study.

    `scenarios` are TOML texts, `policies` pairs of a name and the TOML text that builds it (`None`: the study itself
    makes it), `population_arguments` the words that asked for the population. `is_history` tells a recorded past.
    """

    scenarios: tuple[str, ...]
    policies: tuple[tuple[str, str | None], ...]
    gates: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str
    population: str
    population_arguments: tuple[str, ...]
    trials: int
    split: bool
    is_history: bool = False


STUDY_KIND = TypeAdapter(StudyIdentity)
"""How it is written."""


def write_identity(identity: StudyIdentity, path: Path) -> None:
    """Write what was asked as JSON; the file appears whole or not at all."""
    write_json(STUDY_KIND, identity, path)


def read_identity(path: Path) -> StudyIdentity:
    """Return what `write_identity` wrote; `ValueError` if it is something else."""
    return read_json(STUDY_KIND, path.read_bytes())
