"""Text tables: rows as lines of a given width, one line a row."""

from collections.abc import Iterator, Mapping, Sequence

from reports.labels import cut_labels

_GAP = "  "
_LEAST_LABEL = 12


def table_lines(rows: Sequence[Mapping[str, str]], width: int, most: int | None = None) -> Iterator[str]:
    """Yield a head and a line for each row; the first column is cut in the middle to fit, the others are whole.

    Of more than `most` rows the first are shown, and the others counted.

    >>> rows = [{"policy": "f1_drop > 0.05 or age_days > 30", "worth": "12"}, {"policy": "never", "worth": "3"}]
    >>> print(*table_lines(rows, 30, most=1), sep=chr(10))
    policy                   worth
    f1_drop > 0…e_days > 30     12
    and 1 more
    """
    if not rows:
        return
    shown = rows[:most]
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in shown)) for name in names]
    room = width - sum(widths[1:]) - len(_GAP) * (len(names) - 1)
    widths[0] = min(widths[0], max(room, _LEAST_LABEL))
    labels = cut_labels([row[names[0]] for row in shown], widths[0])
    yield _line(names, widths)
    for label, row in zip(labels, shown, strict=True):
        yield _line([label, *(row[name] for name in names[1:])], widths)
    if len(rows) > len(shown):
        yield f"and {len(rows) - len(shown):,} more"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return _GAP.join(
        [first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
    ).rstrip()
