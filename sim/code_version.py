"""The version of the code: what must be the same for two machines to compute the same to the last bit."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("scenarios", "policies", "sim")
_SUFFIXES = {".py", ".json", ".toml"}
_LIBRARIES = ("lightgbm", "numpy", "optuna", "pandas", "scipy")


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """What computes.

    Attributes
    ----------
    python
        The version of the language, such as 3.11.
    code
        The SHA-256 of this package's sources.
    libraries
        The names and versions of this package and of the libraries that compute.
    """

    python: str
    code: str
    libraries: tuple[tuple[str, str], ...]

    def difference(self, other: "CodeVersion") -> str:
        """Return the first thing that another version has otherwise, in words; nothing if they are the same.

        >>> here = CodeVersion("3.11", "abc", (("numpy", "2.1"),))
        >>> here.difference(CodeVersion("3.11", "abc", (("numpy", "2.2"),)))
        'numpy 2.2 where numpy 2.1 is wanted'
        """
        if other.python != self.python:
            return f"Python {other.python} where Python {self.python} is wanted"
        there = dict(other.libraries)
        for name, wanted in self.libraries:
            if there.get(name) != wanted:
                return f"{name} {there.get(name)} where {name} {wanted} is wanted"
        return "" if other.code == self.code else "other code of the same version of retrainlab"


@cache
def code_version() -> CodeVersion:
    """Return the version of the code that runs here."""
    return CodeVersion(
        python=".".join(map(str, sys.version_info[:2])),
        code=_digest(),
        libraries=tuple((name, version(name)) for name in ("retrainlab", *_LIBRARIES)),
    )


@cache
def git_revision() -> str | None:
    """Return the revision of the checkout that this code runs from, `None` where there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _digest() -> str:
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted(path for path in (root / package).rglob("*") if path.suffix in _SUFFIXES):
            digest.update(path.read_bytes())
    return digest.hexdigest()
