"""The replay cache: what was computed in a world, kept on disk for the next comparison."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import joblib  # type: ignore[import-untyped] # it ships no type information

from scenarios.files import to_toml
from sim.study.replay import Replay

_CODE = ("scenarios", "policies", "sim")
_SUFFIXES = {".py", ".json", ".toml"}
_PACKAGES = ("lightgbm", "numpy", "optuna")


class ReplayCache:
    """Keeps the contents of replays in a folder, one file a world, known by all that went into them.

    The key holds the scenario, the seed, the population, the number of trials, this package's own code and the
    versions of the libraries that compute: a file is never right for anything but the same. The folder must be one
    that only its user can write to, for the files are pickles.

    Parameters
    ----------
    folder
        Where the files lie; `None` keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, replay: Replay, trials: int) -> str:
        """Fill a replay with what is known of its world, if anything, and return the key to save it by."""
        key = _key(replay, trials)
        if self._folder is not None and (self._folder / key).exists():
            try:
                replay.restore(joblib.load(self._folder / key))
            except (OSError, EOFError, ValueError):
                (self._folder / key).unlink(missing_ok=True)  # damaged by a crash or a full disk: compute it again
        return key

    def save(self, replay: Replay, key: str) -> None:
        """Keep what is known of a replay's world; the file appears whole or not at all."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{key}.part"
        joblib.dump(replay.contents(), part, compress=("zlib", 1))
        part.replace(self._folder / key)


def _key(replay: Replay, trials: int) -> str:
    world = replay.world
    told = [to_toml(world.scenario), world.population.name, str(world.seed), str(trials), _code_digest()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32] + ".joblib"


@cache
def _code_digest() -> str:
    """Return a digest of this package's code and of the libraries that compute."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for package in _CODE:
        for path in sorted(path for path in (root / package).rglob("*") if path.suffix in _SUFFIXES):
            digest.update(path.read_bytes())
    for name in _PACKAGES:
        digest.update(version(name).encode())
    return digest.hexdigest()
