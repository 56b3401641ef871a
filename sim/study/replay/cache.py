"""The replay cache: what was computed in a world, kept on disk for the next comparison."""

import hashlib
import os
import pickle
import zlib
from contextlib import suppress
from pathlib import Path

from scenarios.files import to_toml
from sim.code_version import code_version
from sim.study.replay.replay import Replay
from sim.trusted_file import is_trusted
from sim.whole_file import whole_file

_QUICKLY = 1


class ReplayCache:
    """Keeps the contents of replays in a folder, one file a world, known by all that went into them.

    The key holds the scenario, the seed, the population, the number of trials, this package's own code and the
    versions of the libraries that compute: a file is never right for anything but the same. The files are pickles,
    which may run code when they are read: one that somebody else owns or could write to counts as nothing.

    Parameters
    ----------
    folder
        Where the files lie; `None` keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, replay: Replay) -> None:
        """Fill a replay with what is known of its world, if anything; a file that can't be read counts as nothing."""
        if self._folder is None:
            return
        path = self._folder / _name(replay)
        if not is_trusted(path):
            return
        try:
            name, contents = pickle.loads(zlib.decompress(path.read_bytes()))
            if name == path.name:
                replay.memory.restore(contents)
        except Exception:  # noqa: BLE001 - a damaged pickle raises anything: compute it again
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def save(self, replay: Replay) -> None:
        """Keep what is known of a replay's world; the file appears whole or not at all.

        A disk that is full or not writable costs the next comparison its head start, and this one nothing.
        """
        if self._folder is None or not replay.memory.has_changed:
            return
        path = self._folder / _name(replay)
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(path, writer=str(os.getpid())) as part:
                kept = pickle.dumps((path.name, replay.memory.contents()), pickle.HIGHEST_PROTOCOL)
                part.write_bytes(zlib.compress(kept, _QUICKLY))


def _name(replay: Replay) -> str:
    world = replay.world
    told = [
        to_toml(world.scenario),
        world.population.name,
        world.population.version,
        str(world.seed),
        str(replay.trials),
        _code_digest(),
    ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32] + ".pickle"


def _code_digest() -> str:
    """Return what tells this package's code and the libraries that compute from all others."""
    return repr(code_version())
