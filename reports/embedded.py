"""Embedded pictures: an SVG as a page carries it, in far fewer bytes, and drawn alike to a hundredth of a point."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice, product
from string import ascii_lowercase

_NOT_DRAWN = re.compile(r"<!--.*?-->|<\?xml.*?\?>|<!DOCTYPE[^>]*>|<metadata>.*?</metadata>", re.DOTALL)
_SPACE = re.compile(r"\s+")
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]+)')
_STYLE = re.compile(r' style="([^"]*)"')
_PATH = re.compile(r' d="([^"]*)"')
_STEP = re.compile(r"[MLQCz]|-?[\d.]+")
_ALONE = re.compile(r"<g>(<(?:use|path)[^>]*/>)</g>")
_LETTER = re.compile(r'(<use href="[^"]+") transform="translate\((-?[\d.]+) 0\)"/>')
_NUMBERS = {"M": 2, "L": 2, "Q": 4, "C": 6}
_PARTS = 100
"""Places in a path are told in hundredths of its unit, a point or less."""


def data_uri(svg: str) -> str:
    """Return a picture that Matplotlib drew as an address that holds all of it, for an attribute in double quotes.

    It is text: as base64 it would take a third more.

    >>> data_uri('<svg><path style="fill: #fff"/></svg>')
    "data:image/svg+xml,<svg><path style='fill:%23fff'/></svg>"
    """
    escaped = compact(svg).replace("'", "&apos;")
    for mark in "%#&":  # in this order: what is escaped must not be escaped again
        escaped = escaped.replace(mark, f"%{ord(mark):02X}")
    return "data:image/svg+xml," + escaped.replace('"', "'")


def compact(svg: str) -> str:
    """Return a picture without what draws nothing, its styles and names told once, and its paths told by steps.

    >>> compact('<g id="text_1"> <!-- 7 --> <use xlink:href="#DejaVuSans-7" transform="translate(63.625 0)"/> </g>')
    '<use href="#DejaVuSans-7" x="63.6"/>'
    >>> compact('<path d="M 10 20.004 L 10 30 Q 11 31 12.5 29.25 z"/>')
    '<path d="M10 20v10q1 1 2.5-.75z"/>'
    """
    bare = _SPACE.sub(" ", _NOT_DRAWN.sub("", svg)).replace("> <", "><").replace("xlink:href=", "href=").strip()
    drawn = _PATH.sub(lambda found: f' d="{_by_steps(found[1])}"', _with_classes(_with_short_names(bare)))
    placed = _LETTER.sub(lambda found: f'{found[1]} x="{round(float(found[2]), 1):g}"/>', drawn)
    while (inner := _ALONE.sub(r"\1", placed)) != placed:
        placed = inner
    return placed


def _with_short_names(svg: str) -> str:
    """Give short names to what is referred to, and none to anything else."""
    used = {name for _, name in _REFERENCE.findall(svg)}
    listed = [name for name in _ID.findall(svg) if name in used]
    short = dict(zip(listed, islice(_names(), len(listed)), strict=True))
    named = _ID.sub(lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", svg)
    return _REFERENCE.sub(lambda found: f"{found[1]}{short.get(found[2], found[2])}", named)


def _with_classes(svg: str) -> str:
    """Tell a style that several parts have once, where the picture has a place for styles."""
    told = _STYLE.sub(lambda found: found[0].replace("; ", ";").replace(": ", ":"), svg)
    if "</style>" not in told:
        return told
    often = [style for style, times in Counter(_STYLE.findall(told)).most_common() if times > 1]
    classes = dict(zip(often, islice(_names(), len(often)), strict=True))
    classed = _STYLE.sub(lambda found: f' class="{classes[found[1]]}"' if found[1] in classes else found[0], told)
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    return classed.replace("</style>", f"{rules}</style>", 1)


def _names() -> Iterator[str]:
    """Yield a, b, ..., z, aa, ab and so on."""
    for length in count(1):
        yield from map("".join, product(ascii_lowercase, repeat=length))


def _by_steps(path: str) -> str:
    """Return a path whose places are told from the one before each, in whole hundredths, so that no error adds up."""
    words, told, before = iter(_STEP.findall(path)), [], ""
    here = start = (0, 0)
    for command in words:
        if command == "z":
            told.append("z")
            here, before = start, command
            continue
        values = [round(_PARTS * float(value)) for value in islice(words, _NUMBERS[command])]
        end = (values[-2], values[-1])
        if command == "M":
            start, name, numbers = end, "M", values
        elif command == "L" and here[1] == end[1]:
            name, numbers = "h", [end[0] - here[0]]
        elif command == "L" and here[0] == end[0]:
            name, numbers = "v", [end[1] - here[1]]
        else:
            name, numbers = command.lower(), [value - here[index % 2] for index, value in enumerate(values)]
        text = " ".join(map(_number, numbers)).replace(" -", "-")
        is_told = name == before and name in "lqc"
        if not is_told:
            told.append(name)
        elif text[0] != "-":
            told.append(" ")
        told.append(text)
        here, before = end, name
    return "".join(told)


def _number(parts: int) -> str:
    """Return hundredths as a number, as short as SVG reads it.

    >>> [_number(parts) for parts in (1200, -75, 50, 0)]
    ['12', '-.75', '.5', '0']
    """
    whole = f"{parts / _PARTS:.2f}".rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0\.", r"\1.", whole)
