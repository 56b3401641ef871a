"""Reaching a cluster: who listens, if anybody, which is known at once where a library would try for a minute."""

import socket
from urllib.parse import urlsplit

_CONNECT_SECONDS = 4
_ANSWER_SECONDS = 1
_NO_REQUEST = (
    b"G\r\n\r\n"  # a web server answers it as a bad request; shorter than the length that opens a Spark frame
)


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


def is_web_server(place: str) -> bool:
    """Tell whether who listens at `host:port` speaks HTTP, as the page does that a cluster shows about itself.

    It is sent five bytes and given a second. Spark's master waits for the rest of them and notes nothing in its log.
    """
    parts = urlsplit(f"//{place}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), _CONNECT_SECONDS) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.sendall(_NO_REQUEST)
            return connection.recv(len(b"HTTP/")) == b"HTTP/"
    except OSError:  # it says nothing
        return False
