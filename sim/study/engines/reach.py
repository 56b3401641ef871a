"""Reaching a cluster: who listens, if anybody, which is known at once where a library would try for a minute."""

import socket
from urllib.parse import urlsplit

_CONNECT_SECONDS = 4
_ANSWER_SECONDS = 1
_NO_REQUEST = b"G\r\n\r\n"  # a bad request to a web server, and shorter than the length that opens a Spark frame


def listens(place: str) -> bool:
    """Tell whether somebody listens at `host:port` within four seconds; a place without a port is nobody's.

    >>> listens("localhost")
    False
    """
    try:
        with _connected(place):
            return True
    except (OSError, ValueError):
        return False


def is_web_server(place: str) -> bool:
    """Tell whether who listens at `host:port` speaks HTTP, as the page does that a cluster shows about itself.

    It is sent five bytes and given a second. Spark's master waits for the rest of them and notes nothing in its log.
    """
    try:
        with _connected(place) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.sendall(_NO_REQUEST)
            return connection.recv(len(b"HTTP/")) == b"HTTP/"
    except OSError:  # it says nothing
        return False


def _connected(place: str) -> socket.socket:
    parts = urlsplit(f"//{place}")
    return socket.create_connection((parts.hostname or "", parts.port or 0), _CONNECT_SECONDS)
