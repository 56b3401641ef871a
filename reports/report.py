"""The report of a run, a comparison or a backtest: its charts as SVG and PNG, and one HTML file that stands alone."""

from pathlib import Path

from reports.backtest_report import backtest_page
from reports.comparison_report import comparison_page
from reports.page import render
from reports.run_report import run_page
from sim.errors import InputError
from sim.study.backtest.result_file import BACKTEST_FILE
from sim.study.comparison.study_file import STUDY_FILE
from sim.study.run_folder import RECORD_FILE
from sim.study.scores.pricing import PriceChange
from sim.whole_file import write_whole

REPORT_FOLDER = "report"
REPORT_FILE = "report.html"


def write_report(folder: Path, change: PriceChange | None = None, against: Path | None = None) -> Path:
    """Write `report/` into the folder of a run or a comparison and return the path of its HTML file.

    Parameters
    ----------
    folder
        What `run`, `compare` or `backtest` left behind.
    change
        Prices that replace those of the scenario, by name.
    against
        For a run: another one in the same world, drawn as `before`.

    Raises
    ------
    InputError
        If the folder holds neither, can't be read or written, or a price is out of range.
    """
    is_run, is_study = (folder / RECORD_FILE).exists(), (folder / STUDY_FILE).exists()
    is_backtest = (folder / BACKTEST_FILE).exists()
    if not is_run and not is_study and not is_backtest:
        msg = (
            f"a report needs the folder of a finished run or comparison, but {folder} holds none; give another path."
        )
        raise InputError(msg)
    if against is not None and not is_run:
        msg = f"--against needs the folder of a run to report, but {folder} holds a comparison; leave it out."
        raise InputError(msg)
    target = folder / REPORT_FOLDER
    try:
        if is_run:
            page = run_page(folder, target, change or {}, against)
        else:
            page = comparison_page(folder, target, change or {}) if is_study else backtest_page(folder, target)
        write_whole(target / REPORT_FILE, render(page))
    except OSError as error:
        msg = f"a report must be written beside what it tells of, but {target} can't be ({error.strerror}); free it."
        raise InputError(msg) from error
    return target / REPORT_FILE
