"""Peers: other libraries doing the same work, measured in an environment of their own.

`python benchmarks/peers.py` makes their environments under build/ (it needs a package index), measures, and keeps
what it found in build/peers.json, from where `make bench` takes it into its table. They are no dependencies.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from figures import Figure

_BUILD = Path(__file__).parents[1] / "build"
_FOUND = _BUILD / "peers.json"
_PEERS = {
    "river": ("river",),
    "evidently": ("evidently", "pandas<3"),
    "nannyml": ("nannyml", "pandas<3"),
    "lfmm": ("lfmm",),
    "mlflow": ("mlflow", "lightgbm"),
}
"""What is measured of each peer, and the packages that it needs."""


def peer_figures() -> Iterator[tuple[Figure, float]]:
    """Yield what was measured of the peers, if anything, with the load of the machine then."""
    if not _FOUND.exists():
        return
    for name, (what, seconds, load) in json.loads(_FOUND.read_text(encoding="utf-8")).items():
        yield Figure(f"peer {name}: {what}", f"{1000 * seconds:.0f} ms"), load


def main() -> None:
    """Measure each peer; one that can't be installed or measured is told and left out."""
    found = {}
    for name, packages in _PEERS.items():
        told = _measured(name, packages)
        if isinstance(told, str):
            print(f"{name} is left out: {told}", file=sys.stderr)  # noqa: T201 - a script that prints
            continue
        found[name] = (*told, os.getloadavg()[0])
        print(f"{name}: {told[0]}, {1000 * told[1]:.0f} ms")  # noqa: T201 - a script that prints
    if found:
        _FOUND.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _measured(name: str, packages: tuple[str, ...]) -> tuple[str, float] | str:
    """Return what was measured of a peer and its seconds, or why nothing was."""
    folder = _BUILD / f"peers-{name}"  # each in its own: they ask for versions that don't go together
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    for command in (install, [str(python), str(Path(__file__).with_name("peer_work.py")), name]):
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        if ended.returncode:
            return _last_line(ended.stderr)
    what, seconds = json.loads(_last_line(ended.stdout))
    return what, seconds


def _last_line(text: str) -> str:
    return next(iter(reversed(text.strip().splitlines())), "nothing was said")


if __name__ == "__main__":
    main()
