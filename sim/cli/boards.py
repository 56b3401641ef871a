"""What `compare` and `backtest` say of a comparison: its answer and ten policies, or every board."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.screen import show_screen
from sim.cli.terminal import tell, terminal_width

if TYPE_CHECKING:  # numbers and tables are loaded when a command needs them, so that help is quick
    from sim.study.comparison.boards import Leaderboard

_MOST_NAMED = 3


def show_boards(leaderboard: "Leaderboard", folder: Path, *, whole: bool) -> None:
    """Print the answer of a comparison with ten policies, or all boards, and how to draw them."""
    closing = [
        f"{leaderboard.cells:,} cells; the results are in {folder}. To draw them:",
        f"retrainlab report {shlex.quote(str(folder))}",
    ]
    show_screen(list(board_parts(leaderboard, folder, whole=whole, is_beside=False)), ["", *closing], whole=whole)


def board_parts(leaderboard: "Leaderboard", folder: Path, *, whole: bool, is_beside: bool = True) -> Sequence[Any]:
    """Return the lines of a comparison in a folder, fewer beside something else, or the tables of all boards."""
    from reports.study_folder import read_study

    study = read_study(folder, {})
    if whole:
        from reports.leaderboard_tables import board_tables

        is_history = study.asked.is_history
        return [board_tables(board, leaderboard.baseline, is_history=is_history) for board in leaderboard.boards]
    from reports.comparison_screen import comparison_screen

    return list(comparison_screen(study, terminal_width(), is_beside=is_beside))


def tell_of_gates(leaderboard: "Leaderboard") -> None:
    """Say where gates let nothing by, which makes all policies alike but for what they spend."""
    from sim.study.comparison.leaderboard import never_promoting

    stuck = [board for board in leaderboard.boards if never_promoting(board) and not board.is_overall]
    for gates in dict.fromkeys(board.gates for board in stuck):
        where = [board.scenario for board in stuck if board.gates == gates]
        told = ", ".join(where[:_MOST_NAMED]) + (
            f" and {len(where) - _MOST_NAMED} more scenarios" if len(where) > _MOST_NAMED else ""
        )
        tell(
            f"under the gates {gates} no new model was ever promoted in {told}, whatever asked for it; "
            f"`retrainlab gates {gates}` says what they want, and --gates takes others."
        )
