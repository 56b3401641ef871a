"""Files that nobody but their user could have put where they are."""

import os
import stat
from pathlib import Path


def is_trusted(path: Path) -> bool:
    """Tell whether a file is there, and its user the only one who could put it there.

    File and folder must belong to the user, and neither their group nor all others may write to them.
    """
    try:
        facts = [path.stat(), path.parent.stat()]
    except OSError:
        return False
    user = os.getuid() if hasattr(os, "getuid") else None  # Windows keeps such folders to their user by itself
    others = stat.S_IWOTH | stat.S_IWGRP
    return user is None or all(fact.st_uid == user and not fact.st_mode & others for fact in facts)
