"""The report of what was played or searched: its charts as SVG and PNG, and one HTML file that stands alone."""

from collections.abc import Callable
from pathlib import Path

from reports.backtest_report import backtest_page
from reports.comparison_report import comparison_page
from reports.page import Page, render
from reports.run_report import run_page
from reports.surface_report import surface_page
from sim.errors import InputError
from sim.study.backtest.result_file import BACKTEST_FILE
from sim.study.comparison.study_file import STUDY_FILE
from sim.study.run_folder import RECORD_FILE
from sim.study.scores.pricing import PriceChange
from sim.study.surface.surface import SURFACE_FILE
from sim.study.surface.tuned_file import TUNED_FILE
from sim.whole_file import write_whole

_Draw = Callable[[Path, Path, PriceChange, Path | None], Page]
REPORT_FOLDER = "report"
REPORT_FILE = "report.html"


def write_report(folder: Path, change: PriceChange | None = None, against: Path | None = None) -> Path:
    """Write `report/` into the folder of what was played and return the path of its HTML file.

    Parameters
    ----------
    folder
        What `run`, `compare`, `backtest`, `surface` or `tune` left behind.
    change
        Prices that replace those of the scenario, by name.
    against
        For a run: another one in the same world, drawn as `before`.

    Raises
    ------
    InputError
        If the folder holds none of these, can't be read or written, or a price is out of range.
    """
    draw = _drawer(folder)
    if draw is None:
        msg = (
            f"a report needs the folder of a finished run, comparison, backtest, surface or tuning, but {folder} "
            f"holds none; give another path."
        )
        raise InputError(msg)
    if against is not None and draw is not run_page:
        msg = f"--against needs the folder of a run to report, but {folder} holds something else; leave it out."
        raise InputError(msg)
    target = folder / REPORT_FOLDER
    try:
        write_whole(target / REPORT_FILE, render(draw(folder, target, change or {}, against)))
    except OSError as error:
        msg = f"a report must be written beside what it tells of, but {target} can't be ({error.strerror}); free it."
        raise InputError(msg) from error
    return target / REPORT_FILE


def _drawer(folder: Path) -> _Draw | None:
    """Return what draws the report of a folder by what lies in it, `None` if it holds nothing of ours."""
    drawers: tuple[tuple[str, _Draw], ...] = (
        (RECORD_FILE, run_page),
        (STUDY_FILE, _comparison),
        (BACKTEST_FILE, _backtest),
        (TUNED_FILE, _surface),
        (SURFACE_FILE, _surface),
    )
    return next((draw for name, draw in drawers if (folder / name).exists()), None)


def _comparison(folder: Path, pictures: Path, change: PriceChange, _: Path | None) -> Page:
    return comparison_page(folder, pictures, change)


def _backtest(folder: Path, pictures: Path, _: PriceChange, __: Path | None) -> Page:
    return backtest_page(folder, pictures)


def _surface(folder: Path, pictures: Path, change: PriceChange, _: Path | None) -> Page:
    if change:
        raise InputError(
            f"--price needs the folder of a run or a comparison, but {folder} holds a surface; set prices in its "
            f"scenario."
        )
    return surface_page(folder, pictures)
