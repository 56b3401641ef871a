"""Reaching a cluster: whether anybody listens, which is known at once where a library would try for a minute."""

import socket
from urllib.parse import urlsplit

_CONNECT_SECONDS = 4


def listens(place: str) -> bool:
    """Tell whether somebody listens at `host:port` within four seconds; a place without a port is nobody's.

    >>> listens("localhost")
    False
    """
    try:
        parts = urlsplit(f"//{place}")
        with socket.create_connection((parts.hostname or "", parts.port or 0), _CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False
