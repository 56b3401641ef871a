"""The shape of the code: no function above a screen, none with an argument order to remember, anywhere."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sim.study.scores.table import Score

ROOT = Path(__file__).parents[1]
FOLDERS = ("sim", "policies", "scenarios", "reports", "benchmarks", "tests", "examples")
MOST_LINES = 64
MOST_PARAMETERS = 8
SCORES = frozenset(Score)


def misshapen(code: str) -> Iterator[str]:
    """Yield the functions of a file that are too long or take too much; a method's own object is no parameter."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        n_lines = (node.end_lineno or 0) - node.lineno + 1
        given = node.args
        named = [*given.posonlyargs, *given.args]
        own = bool(named) and named[0].arg in {"self", "cls"}
        n_parameters = len(named) + len(given.kwonlyargs) + bool(given.vararg) + bool(given.kwarg) - own
        if n_lines > MOST_LINES:
            yield f"{node.name} has {n_lines} lines"
        if n_parameters > MOST_PARAMETERS:
            yield f"{node.name} takes {n_parameters} parameters"


def test_no_function_is_longer_than_a_screen_or_takes_more_than_eight_parameters():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    found = {f"{path.relative_to(ROOT)}: {each}" for path in files for each in misshapen(path.read_text("utf-8"))}
    assert found == set()


def test_the_measure_sees_what_is_misshapen():
    long = "def long():\n" + "    pass\n" * MOST_LINES
    wide = "class A:\n    async def wide(self, a, b, c, d, e, f, /, g, *, h, **rest): pass\n"
    fits = "class A:\n    def fits(self, a, b, c, d, e, f, g, h): pass\n"
    assert list(misshapen(long + wide + fits)) == ["long has 65 lines", "wide takes 9 parameters"]


def test_no_two_public_types_share_a_name():
    """One word per idea; a verdict is what gates say of a challenger, and what a comparison says of two policies."""
    names = [
        node.name
        for folder in FOLDERS[:4]
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert len(names) > 150
    assert {name for name, count in Counter(names).items() if count > 1} <= {"Verdict"}


def scores_read_by_text(code: str) -> Iterator[str]:
    """Yield each score that is read by its text: as a key, an attribute's name, or the values of a table."""
    for node in ast.walk(ast.parse(code)):
        keys: list[ast.expr] = []
        if isinstance(node, ast.Subscript):
            keys = [node.slice]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
            "get",
            "getattr",
            "pivot_table",
            "sort_values",
        }:
            keys = [*node.args, *(keyword.value for keyword in node.keywords)]
        for key in keys:
            for each in ast.walk(key):
                if isinstance(each, ast.Constant) and each.value in SCORES:
                    yield f"line {each.lineno} reads {each.value}"


def test_no_score_is_read_by_its_text():
    """Mypy cannot tell a misspelt text from a score; a score has a name in the table of scores."""
    files = [path for folder in ("sim", "policies", "scenarios", "reports") for path in (ROOT / folder).rglob("*.py")]
    found = {f"{path.relative_to(ROOT)}: {each}" for path in files for each in scores_read_by_text(path.read_text())}
    assert found == set()


def test_a_score_that_is_read_by_its_text_is_seen():
    code = 'row["net_value"]\ncells[["seed", "regret"]]\nrow.get("brier")\ngetattr(row, "retrains")\n'
    code += 'cells.pivot_table(index="seed", values="net_value")\nrow[Score.NET_VALUE]\nrow["policy"]\n'
    assert [each.rpartition(" ")[2] for each in scores_read_by_text(code)] == [
        "net_value",
        "regret",
        "brier",
        "retrains",
        "net_value",
    ]
