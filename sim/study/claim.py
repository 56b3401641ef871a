"""The claim: a folder that is to hold one study, found free or holding a part of it that is to be resumed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from sim.errors import InputError
from sim.json_file import read_json, write_json

Identity = TypeVar("Identity")


@dataclass(frozen=True, slots=True)
class Claim(Generic[Identity]):
    """What a folder is claimed for.

    Parameters
    ----------
    noun
        What is kept there, as "study" or "surface".
    file
        The name of the file that tells whose results a folder holds.
    kind, identity
        What must be the same for results to belong together, and how it is written.
    part
        The folder inside that takes the results of single worlds.
    """

    noun: str
    file: str
    kind: TypeAdapter[Identity]
    identity: Identity
    part: str

    def check(self, folder: Path, *, resume: bool) -> None:
        """Raise `InputError` unless a folder is free, or holds a part of this that is to be resumed."""
        own = f"a {self.noun} needs a folder of its own, but {folder}"
        if (folder / self.file).exists():
            if not self._is_held(folder):
                raise InputError(f"{own} holds another {self.noun}; use another --out.")
            if not resume:
                raise InputError(f"{own} holds this one already; use --resume or --out.")
            return
        if resume:
            raise InputError(
                f"--resume needs the folder of a {self.noun}, but {folder} holds none; leave --resume out."
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{own} is not empty; use another --out.")

    def take(self, folder: Path) -> None:
        """Make a folder that of this, unless it is; `InputError` if it can't be written."""
        path = folder / self.file
        if path.exists():
            return
        try:
            (folder / self.part).mkdir(parents=True, exist_ok=True)
            write_json(self.kind, self.identity, path)
        except OSError as error:
            raise InputError(
                f"a {self.noun} folder must be writable, but {folder} is not ({error.strerror}); use another --out."
            ) from error

    def _is_held(self, folder: Path) -> bool:
        try:
            return read_json(self.kind, (folder / self.file).read_bytes()) == self.identity
        except (OSError, ValueError):
            return False  # nothing of this program
