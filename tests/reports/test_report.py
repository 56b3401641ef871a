"""The report: true words, pictures that are there, and a page that works in a real browser without a request."""

import html
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from PIL import Image
from report_lives import ATTACK, CALM, DRIFTING, RULES, played
from test_cli import call, refused

from reports.amounts import money_words
from reports.report import write_report
from reports.study_folder import read_study
from scenarios.files import to_toml
from scenarios.schema import Prices
from sim.errors import InputError
from sim.study.run_folder import read_record, write_record
from sim.study.scores import money
from sim.study.scores.judge import summarise
from sim.study.scores.pricing import REASON, parse_prices, reprice_cells, reprice_record


class Reader(HTMLParser):
    """Reads a page as a strict reader would: every tag it opens is closed in order."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    return Reader(page.read_text(encoding="utf-8"))


RUN_PICTURES = {
    *("loop", "architecture", "accuracy", "trigger", "training_data", "champion_challenger", "label_timeline"),
    *("drift_psi", "drift_ks", "roi", "risk", "segments"),
}


def test_a_run_has_every_picture_as_svg_and_png(run_page):
    names = {item.name for item in run_page.parent.iterdir()}
    assert names == {"report.html"} | {f"{name}.{kind}" for name in RUN_PICTURES for kind in ("svg", "png")}
    for name in RUN_PICTURES:
        assert (run_page.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        svg = (run_page.parent / f"{name}.svg").read_text(encoding="utf-8")
        assert "<svg" in svg
        assert "dc:date" not in svg


@pytest.mark.slow
def test_a_report_says_the_same_twice(run, run_page):
    before = {item.name: item.read_bytes() for item in run_page.parent.iterdir()}
    assert write_report(run) == run_page
    after = {item.name: item.read_bytes() for item in run_page.parent.iterdir()}
    assert after.keys() == before.keys()
    for name, content in after.items():
        if name.endswith(".png"):
            pictures = [np.asarray(Image.open(BytesIO(each)), dtype=float) for each in (content, before[name])]
            assert np.abs(pictures[0] - pictures[1]).mean() < 0.1, name
        else:
            assert content == before[name], name


def test_a_run_page_tells_what_the_record_holds(run, run_page):
    record, page = read_record(run), read(run_page)
    told = "".join(page.text)
    scores = summarise(record)
    assert f"a net value of {money_words(scores.net_value, 'USD')} and " in told
    assert f"retrained {scores.retrains:,} times; " in told
    assert "How much of this is luck: one life was played." in told
    headings = 4
    assert sum(tag == "tr" for tag, _ in page.seen) == (
        len(record.steps) + len(record.jobs) + len(scores.__slots__) + 3 + headings
    )
    assert to_toml(DRIFTING) in told
    command = next(line for line in page.text if line.startswith("retrainlab run"))
    words = shlex.split(command)
    assert words[2] == str(run / "scenario.toml")
    assert words[words.index("--policy") + 1] == str(run / "policy.toml")
    assert words[words.index("--seed") + 1] == "1"


def test_nothing_that_came_from_data_is_markup(run_page, study_page):
    for path in (run_page, study_page):
        page, text = read(path), path.read_text(encoding="utf-8")
        assert [tag for tag, _ in page.seen].count("script") == 1
        assert not [attrs for _, attrs in page.seen if any(name.startswith("on") for name in attrs)]
        assert all(attrs["src"].startswith("data:image/svg+xml") for tag, attrs in page.seen if tag == "img")
        assert "<script>alert" not in text
    assert ATTACK in "".join(read(run_page).text)


def test_every_picture_has_words_and_every_table_headings(run_page, study_page):
    for path in (run_page, study_page):
        page = read(path)
        images = [attrs for tag, attrs in page.seen if tag == "img"]
        assert images
        assert all(len(attrs["alt"]) > 30 for attrs in images)
        levels = [int(tag[1]) for tag, _ in page.seen if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert all("scope" in attrs for tag, attrs in page.seen if tag == "th")
        tags = [tag for tag, _ in page.seen]
        assert tags.count("caption") == tags.count("table")
        assert dict(page.seen)["html"]["lang"] == "en"
        identifiers = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
        assert len(set(identifiers)) == len(identifiers)


def test_of_many_policies_the_best_come_first_and_no_nothing_has_a_sign(study, study_page):
    boards = json.loads((study / "leaderboard.json").read_text())["boards"]
    page = study_page.read_text(encoding="utf-8")
    for board in boards:
        worth = {row["policy"]: row["scores"]["net_value"]["mean"] for row in board["policies"]}
        part = page[page.index(f'<section class="board" data-scenario="{board["scenario"]}"') :]
        table = part[part.index("<caption>Worth (money in thousands of USD)") : part.index("</table>")]
        listed = [html.unescape(name) for name in re.findall(r'<tr data-policy="([^"]*)"', table)]
        assert sorted(worth, key=lambda policy: worth[policy], reverse=True) == listed
    assert not re.search(r"-0\.0+\b(?!\d)", page[page.index("<body>") : page.index("How it was played")])


def test_a_command_in_a_sentence_is_set_as_code(run_page):
    page = run_page.read_text(encoding="utf-8")
    assert "<code>retrainlab compare</code> plays several" in page
    assert "`" not in page[page.index('<section class="first"') : page.index("</section>")]


def test_a_study_has_a_part_for_each_board_and_overall(study, study_page):
    page = read(study_page)
    boards = json.loads((study / "leaderboard.json").read_text())["boards"]
    platform = [attrs["data-scenario"] for tag, attrs in page.seen if attrs.get("class") == "board"]
    assert platform == ["overall", "calm@1", "drifting@1"]
    names = {item.stem for item in study_page.parent.iterdir()}
    assert {
        *("leaderboard-overall-none", "ranks-drifting-1-none", "before_after-drifting-1-none"),
        *("threshold_1-drifting-1-none", "trigger_roc_1-drifting-1-none", "response_split-drifting-1-none"),
    } <= names
    overall = next(board for board in boards if board["scenario"] == "overall")
    best = max(
        (row for row in overall["policies"] if row["policy"] != "oracle"),
        key=lambda row: row["scores"]["net_value"]["mean"],
    )
    said = "".join(page.text[page.text.index("The answer") :][:4])
    assert (best["policy"] if best["policy"] != "never" else "Never retrain") in said
    command = next(line for line in page.text if line.startswith("retrainlab compare"))
    words = shlex.split(command)
    assert words[2:4] == ["calm@1.toml", "drifting@1.toml"]
    assert [words[i + 1] for i, word in enumerate(words) if word == "--policy"] == ["never", *RULES, "oracle"]
    assert words[words.index("--seeds") + 1] == "5"


@pytest.mark.slow
def test_against_another_run_there_is_a_before_and_after(run, tmp_path):
    other = played(tmp_path / "never", "never")
    page = write_report(other, against=run)
    assert (page.parent / "before_after.svg").exists()
    record = read_record(other)
    write_record(replace(record, seed=2), other)
    with pytest.raises(InputError, match="another seed"):
        write_report(other, against=run)


# Other prices


def test_other_prices_make_other_money_and_nothing_else(run):
    change = parse_prices(["value=3000", "offer_cost=10", "success_rate=0.5", "retrain_cost=7"])
    record, again = read_record(run), reprice_record(read_record(run), change)
    prices = Prices(customer_value=3000, offer_cost=10, success_rate=0.5, retrain_cost=7)
    assert summarise(again) == summarise(record, prices)
    assert again.steps == record.steps


def test_cells_are_priced_as_their_lives_would_be(study):
    prices = Prices(customer_value=3000, offer_cost=10, success_rate=0.5, retrain_cost=7)
    told = read_study(study, {"customer_value": 3000.0, "offer_cost": 10.0, "success_rate": 0.5, "retrain_cost": 7.0})
    same = read_study(study, {"customer_value": 2000.0})
    assert_frame_equal(same.cells, read_study(study, {}).cells)
    assert same.leaderboard == read_study(study, {}).leaderboard
    assert told.cells["regret"].isna().all()
    assert {row.regret_missing for board in told.leaderboard.boards for row in board.policies} == {REASON}
    usual = told.cells["roi_proposal"]
    assert usual.isna().equals(same.cells["roi_proposal"].isna())  # where nobody is at high risk there is none
    assert set(usual.dropna()) <= {0.5 * 3000 / 10 - 1}
    for row in told.cells[told.cells["policy"] == RULES[0]].to_dict("records"):
        life = json.loads(row["monthly"])
        worth = sum(life["offered_expected_churners"]) * 0.5 * 3000 - sum(life["offers"]) * 10
        assert row["net_value"] == pytest.approx(worth - 7 * len(life["requested"]))
    assert told.scenarios["calm@1"].prices == prices
    in_euros = read_study(study, {"currency": "EUR"})
    assert_frame_equal(in_euros.cells, read_study(study, {}).cells)
    assert in_euros.scenarios["calm@1"].prices.currency == "EUR"
    assert told.played["calm@1"].prices == CALM.prices


def test_a_cell_that_failed_stays_failed_at_other_prices():
    cells = pd.DataFrame(
        [{"scenario": "a", "error": "broken", "monthly": None, "net_value": np.nan, "roi_proposal": 1.0}]
    )
    assert np.isnan(reprice_cells(cells, {"a": Prices()}, {"a": Prices(retrain_cost=1)})["net_value"].iloc[0])


def test_the_ledger_agrees_with_the_life_step_by_step(study, run):
    record = read_record(run)
    entries = money.ledger(record, record.scenario.prices)
    cells = read_study(study, {}).cells
    assert cells["monthly"].notna().sum() == cells["error"].isna().sum()
    assert money.net_value(entries) == pytest.approx(summarise(record).net_value)


# The command

REFUSED = {
    "nothing there": (
        ["report", "nowhere"],
        "finished run, comparison, backtest, surface or tuning, but nowhere holds none",
    ),
    "an unknown price": (["report", ".", "--price", "vlaue=1"], "did you mean 'value'"),
    "no number": (["report", ".", "--price", "value=much"], "must be a number, got 'value=much'"),
    "out of range": (["report", ".", "--price", "success_rate=1.5"], "success_rate must be right, got 1.5"),
    "not finite": (["report", ".", "--price", "value=inf"], "customer_value must be right"),
    "no currency": (["report", ".", "--price", "currency= "], "the price currency must be right"),
    "no price": (["report", ".", "--price", "value"], "must read like value=2500"),
    "without the option": (["report", ".", "value=2"], "must come after --price"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_report_is_refused(monkeypatch, capsys, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said.lower() in refused(monkeypatch, capsys, *arguments).lower()


def test_a_folder_that_cannot_be_read_or_written_is_refused(monkeypatch, capsys, tmp_path, study):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("run/record.json").write_text("{}")
    assert "must hold the record of a run" in refused(monkeypatch, capsys, "report", "run")
    Path("study").mkdir()
    Path("study/study.json").write_text("{}")
    assert "must hold a finished comparison" in refused(monkeypatch, capsys, "report", "study")
    shutil.copytree(study, "taken", ignore=shutil.ignore_patterns("report"))
    Path("taken/report").write_text("in the way")
    assert "can't be" in refused(monkeypatch, capsys, "report", "taken")
    assert "leave it out" in refused(monkeypatch, capsys, "report", str(study), "--against", "run")


@pytest.mark.slow
def test_the_command_takes_prices_in_either_spelling(monkeypatch, capsys, run, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(
        monkeypatch, capsys, "report", str(run), "--price", "value=2500", "success_rate=0.4", "--json"
    )
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["report"] == str(run / "report" / "report.html")
    assert len(told["pictures"]) == 2 * len(RUN_PICTURES)
    page = "".join(read(Path(told["report"])).text)
    assert "customer_value 2500, success_rate 0.4" in page
    assert "--price customer_value=2500 success_rate=0.4" in page, "how to make it again"
    assert to_toml(DRIFTING) in page, "the scenario as it was played"
    code, out, _ = call(
        monkeypatch, capsys, "report", str(run), "--price", "value=2500", "--price", "success_rate=0.4"
    )
    assert (code, out) == (0, f"{run}/report/report.html\n")


@pytest.mark.slow
def test_a_run_that_is_under_way_is_not_reported(tmp_path):
    folder = played(tmp_path / "busy", "never")
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(folder / "loop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="that nobody is writing to"):
            write_report(folder)
        other.stdin.close()
    assert write_report(folder).exists()


@pytest.mark.slow
def test_a_real_run_on_mlflow_is_reported(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(to_toml(DRIFTING), encoding="utf-8")
    options = ["mine.toml", "--population", "twin", "--trials", "0", "--policy", "age_days > 20", "--out", "out"]
    assert call(monkeypatch, capsys, "run", *options)[0] == 0
    code, out, _ = call(monkeypatch, capsys, "report", "out")
    assert code == 0
    told = "".join(read(Path(out.strip())).text)
    assert "1 retrainings" not in told
    assert "inference log" not in told.lower()
