"""Text that fits: measured, broken into lines and, where it must be, cut short."""

from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextToPath

FONT = "DejaVu Sans"
_POINTS_PER_INCH = 72
_UNKNOWN = "\N{WHITE SQUARE}"
_MEASURED_SIZE = 100.0


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width in inches of one line at a font size in points.

    Widths of characters are added up, which is a little more than what kerning leaves of them.
    """
    return sum(_character_width(character, bold) for character in text) * size / _POINTS_PER_INCH


def clean(text: str) -> str:
    r"""Return a text as one line of characters that the font can draw; any other becomes a white square.

    >>> clean("f1_drop >\t0.05")
    'f1_drop > 0.05'
    """
    known = _drawable()
    return "".join(character if ord(character) in known else _UNKNOWN for character in " ".join(text.split()))


def wrap(text: str, width: float, size: float, *, bold: bool = False, most_lines: int | None = None) -> list[str]:
    """Return the lines of a text that is at most `width` inches wide at a font size in points.

    A word that is wider than a line is broken. What does not fit into `most_lines` is cut off and marked with an
    ellipsis.

    >>> wrap("a rule that is long", 0.8, 11)
    ['a rule that', 'is long']
    >>> wrap("a rule that is long", 0.8, 11, most_lines=1)
    ['a rule th…']
    """
    lines = [""]
    pieces = (piece for word in clean(text).split() for piece in _broken(word, width, size, bold))
    for piece in pieces:
        longer = f"{lines[-1]} {piece}".lstrip()
        if text_width(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    if most_lines is None or len(lines) <= most_lines:
        return lines
    return [*lines[: most_lines - 1], _cut(" ".join(lines[most_lines - 1 :]), width, size, bold)]


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return a text as one line that is at most `width` inches wide, cut off with an ellipsis where it must be."""
    return wrap(text, width, size, bold=bold, most_lines=1)[0]


def _broken(word: str, width: float, size: float, bold: bool) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size, bold=bold) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _cut(text: str, width: float, size: float, bold: bool) -> str:
    while text and text_width(f"{text}…", size, bold=bold) > width:
        text = text[:-1].rstrip()
    return f"{text}…"


@cache
def _character_width(character: str, bold: bool) -> float:
    font = FontProperties(family=FONT, size=_MEASURED_SIZE, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(f"|{character}|", font, ismath=False)
    bars, _, _ = TextToPath().get_text_width_height_descent("||", font, ismath=False)
    return float(width - bars) / _MEASURED_SIZE  # between bars, for a space alone has no width


@cache
def _drawable() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())
