"""Text as it may be shown: without secrets, with control characters made visible, and not without end."""

import re
import unicodedata

LONGEST_MESSAGE = 1200
"""Letters of one message on the terminal; what is longer loses its middle."""

HIDDEN = "***"
_KEPT = {"\n", "\t"}
_INVISIBLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_FILE_SCHEMES = ("sqlite", "file")
_USER_IN_URI = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]{0,60})://(?P<user>[^\s'\"<>]*)@")
_SECRET_PARAMETER = re.compile(r"(?i)\b(?P<key>password|passwd|pwd|token|secret|api_?key|sig)=[^&\s'\"<>]+")


def redacted(text: str) -> str:
    """Return a text with the secrets of its URIs hidden: who logs in, and parameters such as `password`.

    >>> redacted("cannot reach https://ann:pa@ss@host/x?token=abc&y=1")
    'cannot reach https://***@host/x?token=***&y=1'
    >>> redacted("sqlite:////home/ann@work/mlflow.db")
    'sqlite:////home/ann@work/mlflow.db'
    """
    without_users = _USER_IN_URI.sub(_without_user, text) if "://" in text else text
    return _SECRET_PARAMETER.sub(rf"\g<key>={HIDDEN}", without_users)


def _without_user(found: re.Match[str]) -> str:
    if found["scheme"].lower().split("+")[0] in _FILE_SCHEMES:
        return found[0]
    return f"{found['scheme']}://{HIDDEN}@"


def visible(text: str) -> str:
    r"""Return a text with control characters, and letters that reorder or hide others, written as escapes.

    Line ends and tabs stay as they are.

    >>> print(visible("a title\x1b]0;pwned\x07 and \u202egnp.exe"))
    a title\x1b]0;pwned\x07 and \u202egnp.exe
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(letter) if _is_hidden(letter) else letter for letter in text)


def _is_hidden(letter: str) -> bool:
    return letter not in _KEPT and unicodedata.category(letter) in _INVISIBLE


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cut(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text of at most `longest` letters; a longer one loses its middle, since its end says what to do.

    >>> cut("a" * 50 + ", give another", 37)
    'aaaaaaaaaaaaaaaa ... aa, give another'
    """
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def sentence(text: str) -> str:
    """Return one message as one line that may be shown."""
    return cut(visible(redacted(" ".join(text.splitlines()))))
