"""What a comparison prints: no sentence contradicts an interval, a p-value or a rank that stands beside it."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_catalogue_properties import smaller
from test_cli import call
from test_doc_commands import PAGES, commands

from scenarios.files import to_toml
from sim.world.telco.table import PATH_VARIABLE, find

(README,) = (words for words in commands(PAGES["README.md"]) if words[0] == "compare" and "--grid" not in words)
NAMES = [README[index + 1] for index, word in enumerate(README) if word == "--policy"]
POLICY = "|".join(map(re.escape, NAMES))
LEVEL = 0.05
SENTENCE = re.compile(
    rf"^(?P<policy>{POLICY}) (?P<verdict>earns more than|earns less than|can't be told from) never: "
    r"(?P<mean>[-+][\d,]+) in net value \((?P<low>[-+][\d,]+) to (?P<high>[-+][\d,]+), p (?P<p>[\d.e-]+)\)\.$",
    re.MULTILINE,
)
NO_INTERVAL = re.compile(
    rf"^(?P<policy>{POLICY}) can't be told from never: [-+][\d,]+ in net value, no interval", re.MULTILINE
)
SAME = re.compile(rf"^(?P<policy>{POLICY}) did the same as never, in all \d+ seeds\.$", re.MULTILINE)
RANK = re.compile(
    rf"^ *(?P<policy>{POLICY}) +(?P<place>[\d.]+) \((?P<best>\d+) to (?P<worst>\d+)\) +(?P<net>-?[\d,]+)",
    re.MULTILINE,
)
CLOSEST = re.compile(
    rf"^(?P<untold>To tell )?(?:These \d+ seeds tell )?(?P<first>{POLICY}) from (?P<second>{POLICY})", re.MULTILINE
)
LINE = re.compile(
    rf"^(?P<policy>{POLICY}) +(?P<net>-?[\d,]+) +(?P<against>-|the same|"
    r"(?P<mean>[-+][\d,]+) \((?P<low>[-+][\d,]+) to (?P<high>[-+][\d,]+)\)(?P<star>\*)?|[-+][\d,]+\S*) ",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Place:
    """A rank as it is printed."""

    place: float
    best: int
    worst: int

    def overlaps(self, other: "Place") -> bool:
        return self.best <= other.worst and other.best <= self.worst


def number(text: str) -> float:
    return float(text.replace(",", ""))


def check_board(text: str) -> set[str]:
    """Compare the sentences of a board with each other and with its ranks; return the verdicts that it has."""
    ranks = {
        found["policy"]: Place(float(found["place"]), int(found["best"]), int(found["worst"]))
        for found in RANK.finditer(text)
    }
    nets = {found["policy"]: number(found["net"]) for found in RANK.finditer(text)}
    assert set(ranks) == set(NAMES), text
    for name, rank in ranks.items():
        assert rank.best <= rank.place <= rank.worst
        assert all(nets[name] >= nets[other] for other in ranks if rank.place < ranks[other].place)
    base, said = ranks["never"], set()
    for found in SENTENCE.finditer(text):
        mean, low, high, p = (number(found[name]) for name in ("mean", "low", "high", "p"))
        own, verdict = ranks[found["policy"]], found["verdict"]
        assert low <= mean <= high
        if verdict == "can't be told from":
            assert low <= 0 <= high, found[0]
            assert p >= LEVEL, found[0]
            assert own.overlaps(base), found[0]
        else:
            upper, lower = (own, base) if verdict == "earns more than" else (base, own)
            assert (low > 0) if verdict == "earns more than" else (high < 0), found[0]
            assert p < LEVEL, found[0]
            assert upper.place < lower.place, found[0]
            assert upper.worst < len(NAMES), found[0]
            assert lower.best > 1, found[0]
        said.add(verdict)
    for pattern in (NO_INTERVAL, SAME):
        for found in pattern.finditer(text):
            assert ranks[found["policy"]].overlaps(base), found[0]
            assert pattern is NO_INTERVAL or ranks[found["policy"]] == base, found[0]
            said.add("no interval" if pattern is NO_INTERVAL else "the same")
    told = [found["policy"] for pattern in (SENTENCE, NO_INTERVAL, SAME) for found in pattern.finditer(text)]
    assert sorted(told) == sorted(set(NAMES) - {"never"}), "each policy is told once"
    closest = CLOSEST.search(text)
    if closest:
        first, second = ranks[closest["first"]], ranks[closest["second"]]
        assert first.place <= second.place
        assert bool(closest["untold"]) is first.overlaps(second), closest[0]
    return said


def check_screen(text: str) -> set[str]:
    """Compare what a screen says first with the figures of its table; return what kinds of words it has."""
    rows = {found["policy"]: found for found in LINE.finditer(text)}
    assert set(rows) == set(NAMES), text
    shown = {name for name, row in rows.items() if row["star"]}
    for name, row in rows.items():
        if row["low"]:
            low, high = number(row["low"]), number(row["high"])
            assert low <= number(row["mean"]) <= high, name
            assert (name in shown) is (low > 0 or high < 0), name
    better = {name for name in shown if number(rows[name]["mean"]) > 0}
    is_silent = "Nothing was shown to earn more than" in text
    assert is_silent is not bool(better), text
    for found in re.finditer(r"USD [\d,]+ (?:more|less) \(([^)]*)\)[^.]*\.", text):
        is_through_zero = "less" in found[1] and "more" in found[1]
        assert is_through_zero is ("may be luck" in found[0]), found[0]
    open_ones = re.search(r"Whether these earn more or less than never: (.*)\.$", text, re.MULTILINE)
    if open_ones:
        unsaid = {name for name in NAMES if rows[name]["against"] not in {"-", "the same"}} - shown
        assert {name.strip() for name in open_ones[1].split(",")} == unsaid
    return {"nothing"} if is_silent else {"something"}


def printed(monkeypatch, capsys, *words):
    """What a command prints on a wide screen, where no line is broken."""
    monkeypatch.setenv("COLUMNS", "400")
    code, out, err = call(monkeypatch, capsys, *words)
    assert code == 0, err
    return out


def check(monkeypatch, capsys, words) -> set[str]:
    boards = printed(monkeypatch, capsys, *words, "--all").split(", gates telco_churn\n")[1:]
    assert len(boards) == 3
    said = set().union(*(check_board(board) for board in boards))
    return said | check_screen(printed(monkeypatch, capsys, *words, "--resume"))


@pytest.mark.slow
def test_small_worlds_say_nothing_that_contradicts_a_figure_beside_it(tmp_path, monkeypatch, capsys):
    """Five and twenty seeds of smaller worlds, in which little can be told."""
    monkeypatch.chdir(tmp_path)
    for name in ("competitor", "steady"):
        Path(f"{name}.toml").write_text(to_toml(smaller(f"{name}@1")))
    words = [f"{word}.toml" if word in {"competitor", "steady"} else word for word in README]
    said = set()
    for seeds in ("5", "20"):
        asked = [seeds if before == "--seeds" else word for before, word in zip(["", *words], words, strict=False)]
        said |= check(monkeypatch, capsys, [*asked, "--trials", "0", "--cache", "cache", "--out", f"out{seeds}"])
    assert {"can't be told from", "earns less than", "the same"} <= said


@pytest.mark.slow
def test_the_comparison_of_the_readme_says_nothing_that_contradicts_a_figure_beside_it(tmp_path, monkeypatch, capsys):
    """The very command, with five seeds and with twenty, on the real table where it is at hand."""
    monkeypatch.chdir(tmp_path)
    table = find()
    if table is None:
        pytest.skip("the real Telco table is not at hand: set RETRAINLAB_TELCO_CSV")
    monkeypatch.setenv(PATH_VARIABLE, str(table))
    assert README[README.index("--seeds") + 1] == "20"
    said = set()
    for seeds in ("5", "20"):
        asked = [seeds if before == "--seeds" else word for before, word in zip(["", *README], README, strict=False)]
        said |= check(monkeypatch, capsys, [*asked, "--cache", "cache", "--out", f"out{seeds}"])
    assert {"earns more than", "can't be told from", "the same", "something"} <= said


FAIR = """
proposal earns more than never: +400 in net value (+300 to +500, p 0.001).
manual can't be told from never: +9 in net value (-20 to +38, p 0.5).
psi_max > 0.25 did the same as never, in all 5 seeds.
These 5 seeds tell proposal from manual.
 proposal         1 (1 to 1)     500
 never            3.5 (2 to 4)   100
 manual           2 (2 to 4)     109
 psi_max > 0.25   3.5 (2 to 4)   100
"""


def test_a_fair_board_contradicts_nothing():
    assert check_board(FAIR) == {"earns more than", "can't be told from", "the same"}


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("proposal earns more than", "proposal can't be told from"),
        ("manual can't be told from", "manual earns more than"),
        ("p 0.001", "p 0.064"),
        ("(-20 to +38", "(+2 to +38"),
        ("1 (1 to 1)", "1 (1 to 4)"),
        ("3.5 (2 to 4)   100\n manual", "3.5 (1 to 4)   100\n manual"),
        ("These 5 seeds tell", "To tell"),
        ("2 (2 to 4)     109", "4 (2 to 4)     109"),
        ("psi_max > 0.25   3.5 (2 to 4)", "psi_max > 0.25   2 (2 to 4)"),
        ("manual can't be told from never: +9 in net value (-20 to +38, p 0.5).\n", ""),
    ],
)
def test_a_board_that_contradicts_itself_is_found_out(said, instead):
    """The words that a comparison of five seeds once printed are among them."""
    assert said in FAIR
    with pytest.raises(AssertionError):
        check_board(FAIR.replace(said, instead))
