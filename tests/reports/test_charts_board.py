"""The charts of a comparison: what is drawn equals the leaderboard, and odd boards clip no word."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from figure_kit import check, words
from test_leaderboard import cells

from reports.amounts import difference_words, number_words
from reports.board import MOST_ROWS
from reports.caption import board_caption, seeds_words
from reports.charts import before_after, leaderboard, ranks, recovery_cost, response_split, threshold, trigger_roc
from reports.charts.before_after import Side
from reports.families import Setting, SettingFamily, families, proposed_setting
from reports.hover import spots
from scenarios.injectors import ConceptDrift
from scenarios.schema import Prices, Scenario, Time
from sim.study.comparison.boards import Board, BoardRow, ScoreMean, ScoreRatio
from sim.study.comparison.leaderboard import leaderboard as make_leaderboard
from sim.study.inference.contests import mean_interval
from sim.study.scores.monthly import Monthly, from_text, net_values, to_text
from sim.study.scores.table import Score

LONG = "a_policy_with_a_name_of_sixty_characters_or_even_a_few_more_x"
GRID = [f"f1_drop > 0.0{number}" for number in range(2, 9)]


def rows_of(policy, number, seeds, **more):
    """Return plausible cells of a policy; `number` makes it another one."""
    rng = np.random.default_rng(number)
    noise = rng.normal(0, 10, seeds)
    scores = {
        "retrains": float(number % 30),
        "regret": (500 - noise - 20 * (number % 9)).tolist(),
        "recovery_gained": (0.1 * (number % 9) + noise / 100).tolist(),
        "recovery_attainable": (2 + noise / 100).tolist(),
        "detection_days": [30.0 * (number % 4) + 30 if seed % 2 else None for seed in range(seeds)],
        "days_after_onset": 720,
        "false_alarms_per_year": (rng.random(seeds) + 1 / (1 + number % 9)).tolist(),
        "response_label_wait_days": 60.0,
        "response_training_days": 10.0,
        "response_validation_days": 30.0,
        "response_approval_days": 5.0,
    }
    values = (1000 + 37.0 * number + noise).tolist()
    return cells(policy, values, **{**scores, **more})


def board_of(names, seeds=6, **more):
    table = pd.DataFrame([row for n, name in enumerate(names) for row in rows_of(name, n, seeds, **more)])
    return make_leaderboard(table, names[0], names).boards[0]


@cache
def board():
    return board_of(["never", "proposal", "oracle", *GRID])


ODD = {
    "as usual": board,
    "one policy": lambda: board_of(["never"]),
    "one seed": lambda: board_of(["never", *GRID], seeds=1),
    "four seeds": lambda: board_of(["never", *GRID], seeds=4),
    "a hundred policies": lambda: board_of(["never", *(f"psi_max > 0.{n}" for n in range(10, 110))]),
    "long names": lambda: board_of(["never", *(f"{LONG} > {n}.5" for n in range(6))]),
    "no drift": lambda: board_of(
        ["never", *GRID],
        **dict.fromkeys(
            ("recovery_gained", "recovery_attainable", "detection_days", "days_after_onset", "false_alarms_per_year")
        ),
    ),
    "no regret": lambda: board_of(["never", *GRID], regret=None, regret_missing="labels depend on what was served"),
    "all failed": lambda: make_leaderboard(pd.DataFrame(cells("never", [None] * 5)), "never", ["never"]).boards[0],
}


@cache
def odd_board(odd):
    return ODD[odd]()


def family_of(shown):
    found = families([row.policy for row in shown.policies])
    return found[0] if found else SettingFamily("f1_drop > {}", (Setting(0.5, "nowhere"),))


CAPTION = "Source: a test; scenario a@1; seeds 1 to 6."
CHARTS = {
    "leaderboard": lambda shown: leaderboard.leaderboard_chart(shown, "never", CAPTION),
    "recovery": lambda shown: recovery_cost.recovery_cost_chart(shown, CAPTION),
    "response": lambda shown: response_split.response_split_chart(shown, CAPTION),
    "roc": lambda shown: trigger_roc.trigger_roc_chart(family_of(shown), shown, CAPTION),
    "threshold": lambda shown: threshold.threshold_chart(family_of(shown), shown, CAPTION),
    "ranks": lambda shown: ranks.rank_chart(shown, CAPTION),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", CHARTS)
def test_no_word_is_clipped_or_covered(name, odd):
    figure = CHARTS[name](odd_board(odd))
    check(figure)
    assert "Source: a test" in words(figure)


def xs(axes):
    return [np.asarray(line.get_xdata(), dtype=float).tolist() for line in axes.lines]


def test_dots_and_bars_are_means_and_intervals():
    worth, recovery = CHARTS["leaderboard"](board()).subfigs[0].axes
    rows = leaderboard.shown_rows(board(), "never")
    names = [label.get_text() for label in worth.get_yticklabels()]
    assert names == [f"{row.policy}{' (baseline)' * (row.policy == 'never')}" for row in rows]
    means = [row.scores["net_value"].mean for row in rows]
    assert means == sorted(means, reverse=True)
    assert [mean / 1000 for mean in means] in xs(worth)
    for row in rows:
        assert [end / 1000 for end in row.scores["net_value"].interval] in xs(worth)
        assert list(row.f1_recovery.interval) in xs(recovery)
    assert [row.f1_recovery.estimate for row in rows] in xs(recovery)


def test_values_are_told_where_they_are_drawn():
    figure = CHARTS["leaderboard"](board())
    worth, recovery = figure.subfigs[0].axes
    wanted = []
    for axes, unit, score in ((worth, 1000, Score.NET_VALUE), (recovery, 1, Score.F1_RECOVERY)):
        for place, row in enumerate(leaderboard.shown_rows(board(), "never")):
            value = row.estimate(score).value / unit
            x, y = axes.transData.transform((value, place)) / (figure.bbox.width, figure.bbox.height)
            name = f"{row.policy}{' (baseline)' * (row.policy == 'never')}"
            wanted.append((x, 1 - y, f"{axes.get_xlabel()}: {number_words(value)}; {name}"))
    found = spots(figure)
    assert [words for *_, words in found] == [words for *_, words in wanted]
    assert [spot[:2] for spot in found] == [pytest.approx(spot[:2], abs=1e-3) for spot in wanted]


def test_a_value_bears_the_name_of_its_line_and_a_mark_none():
    before, after = both((1, 2, 3, 4, 5))
    figure = before_after.before_after_chart(before, after, WORLD, (1, 2, 3, 4, 5), "twin", "none")
    told = [words for *_, words in spots(figure)]
    f1 = np.mean([each.f1[3] for each in after.lives])
    money = np.mean([sum(net_values(each, PRICES)) for each in before.lives]) / 1000
    assert f"proposal; month (30 days each): 3; true F1: {number_words(f1)}" in told
    assert f"never; month (30 days each): 3; net value so far (thousands of USD): {number_words(money)}" in told
    assert len(told) == 4 * len(after.lives[0].f1), "the triangles have no F1"


def test_below_five_seeds_no_interval_is_drawn():
    for odd in ("one seed", "four seeds"):
        worth, _ = CHARTS["leaderboard"](odd_board(odd)).subfigs[0].axes
        assert len(worth.lines) == 1
        assert "no interval can be given" in words(CHARTS["leaderboard"](odd_board(odd)))
        axes = CHARTS["threshold"](odd_board(odd)).subfigs[0].axes[0]
        assert not axes.collections


def test_money_is_told_in_its_currency_rounded_with_its_interval():
    told = words(leaderboard.leaderboard_chart(board(), "never", CAPTION, "EUR"))
    best = leaderboard.shown_rows(board(), "never")[0]
    gain = best.against_baseline[Score.NET_VALUE]
    worth = difference_words(gain.mean, "EUR", gain.interval)
    assert worth.startswith("EUR ")
    assert worth.replace(" (", " than never (95 % interval ") in " ".join(told.split())
    assert "net value (thousands of EUR)" in told
    told = words(threshold.threshold_chart(family_of(board()), board(), CAPTION, "EUR"))
    assert "regret (thousands of EUR)" in told
    assert "with a regret of EUR " in told


def test_the_oracle_is_set_aside_where_it_is_the_highest():
    shown = board_of(["never", "proposal", "oracle"])
    assert leaderboard.shown_rows(shown, "never")[0].policy == "oracle"
    assert leaderboard.answer(shown, "never").startswith("Oracle aside, proposal has the highest mean net value: ")
    assert leaderboard.answer(board(), "never").startswith(f"{GRID[-1]} has the highest mean net value: ")


def test_of_many_policies_the_best_and_the_baseline_are_drawn():
    shown = odd_board("a hundred policies")
    rows = leaderboard.shown_rows(shown, "never")
    assert len(rows) == MOST_ROWS
    assert rows[-1].policy == "never"
    assert rows[0].policy == "psi_max > 0.109"


def test_recovery_stands_against_retrainings():
    axes = CHARTS["recovery"](board()).subfigs[0].axes[0]
    drawn = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}
    assert drawn == {
        (row.estimate(Score.RETRAINS).value, row.estimate(Score.F1_RECOVERY).value) for row in board().policies
    }
    front = recovery_cost.pareto_front(board().policies)
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert list(dashed.get_ydata()) == [row.f1_recovery.estimate for row in front]


def test_the_front_holds_whom_nobody_beats():
    def row(name, retrains, recovered):
        scores = {Score.RETRAINS: ScoreMean(retrains, None, 1)}
        return BoardRow(name, 1, scores, ScoreRatio(recovered, None, 1, None), {}, None, (), {})

    rows = [row("never", 0, 0.0), row("bad", 5, 0.2), row("good", 4, 0.5), row("best", 9, 0.6), row("waste", 9, 0.5)]
    assert [each.policy for each in recovery_cost.pareto_front(rows)] == ["never", "good", "best"]


def test_bars_are_the_parts_of_the_response():
    axes = CHARTS["response"](board()).subfigs[0].axes[0]
    rows = response_split.response_rows(board())
    for bars, (name, *_) in zip(axes.containers, response_split.PARTS, strict=True):
        assert [bar.get_width() for bar in bars] == [row.scores[name].mean for row in rows]
    ends = [bar.get_x() + bar.get_width() for bar in axes.containers[-1]]
    assert ends == pytest.approx([sum(row.scores[name].mean for name, *_ in response_split.PARTS) for row in rows])
    assert "50% never detected" in words(CHARTS["response"](board()))


def test_the_roc_has_a_point_for_each_threshold():
    axes = CHARTS["roc"](board()).subfigs[0].axes[0]
    by_name = {row.policy: row.scores for row in board().policies}
    wanted = [[by_name[name]["false_alarms_per_year"].mean, by_name[name]["detection_days"].mean] for name in GRID]
    points = axes.collections[-1]
    assert points.get_offsets().tolist() == wanted
    assert points.get_array().tolist() == [0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]


def test_regret_by_threshold_marks_the_best_and_the_proposals():
    figure = CHARTS["threshold"](board())
    axes = figure.subfigs[0].axes[0]
    regrets = {name: row.scores["regret"] for name in GRID for row in board().policies if row.policy == name}
    line = next(line for line in axes.lines if len(line.get_xdata()) == len(GRID))
    assert list(line.get_ydata()) == [regrets[name].mean / 1000 for name in GRID]
    band = axes.collections[0].get_paths()[0].vertices
    for name in GRID:
        low, high = regrets[name].interval
        at = band[np.isclose(band[:, 0], float(name.split()[-1])), 1]
        assert at.min() == pytest.approx(low / 1000)
        assert at.max() == pytest.approx(high / 1000)
    best = min(GRID, key=lambda name: regrets[name].mean)
    told = words(figure)
    assert f"best: {float(best.split()[-1]):g}" in told
    assert "the proposal's: 0.05" in told


def test_without_regret_the_threshold_is_judged_by_net_value():
    told = words(CHARTS["threshold"](odd_board("no regret")))
    assert "net value (thousands)" in told
    worth = {row.policy: row.scores["net_value"].mean for row in odd_board("no regret").policies}
    best = max(GRID, key=lambda name: worth[name])
    assert f"best: {float(best.split()[-1]):g}\n" in told
    assert "regret" not in told


def test_ranks_and_their_ranges_are_those_of_the_board():
    axes = CHARTS["ranks"](board()).subfigs[0].axes[0]
    rows = sorted(((row.rank, row.policy) for row in board().policies), key=lambda row: row[0].place)
    assert [rank.place for rank, _ in rows] in xs(axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == [name for _, name in rows]
    reach = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
    assert reach == [[rank.best, rank.worst] for rank, _ in rows]


# Families


def test_a_family_varies_in_one_number():
    names = ["a > 1 or b > 2", "a > 1 or b > 3", "a > 1 or b > 4", "a > 9 or b > 4", "every(days=90)", "proposal"]
    found = families(names)
    assert [family.rule for family in found] == ["a > 1 or b > {}"]
    assert found[0].text == "a > 1 or b > x"
    assert [setting.policy for setting in found[0].settings] == names[:3]


@pytest.mark.parametrize(
    ("rule", "limit"),
    [("psi_max > {}", 0.25), ("f1_drop < {}", None), ("score_psi > {}", None), ("no rule {}", None)],
)
def test_the_proposals_setting_is_that_of_the_same_clause(rule, limit):
    assert proposed_setting(SettingFamily(rule, ())) == limit


# Before and after

PRICES = Prices(customer_value=1000, offer_cost=10, success_rate=0.5, retrain_cost=100)
WORLD = Scenario(
    id="a",
    title="A",
    time=Time(steps=4),
    prices=PRICES,
    drift=(ConceptDrift(kind="concept", onset_step=2, shifts={"intercept": 1.0}),),
)


def life(shift, seed, requested=()):
    f1 = tuple(0.5 + shift + 0.01 * seed * step for step in range(4))
    return Monthly(f1, (10, 10, 10, 10), (4.0 + shift, 4.0, 5.0 + shift, 6.0), requested, ())


def both(seeds):
    before = Side("never", tuple(life(0.0, seed) for seed in seeds))
    after = Side("proposal", tuple(life(0.2, seed, requested=(2, 3)) for seed in seeds))
    return before, after


def test_before_and_after_are_means_with_bands_over_seeds():
    seeds = (1, 2, 3, 4, 5)
    before, after = both(seeds)
    figure = before_after.before_after_chart(before, after, WORLD, seeds, "twin", "none")
    quality, worth = figure.subfigs[0].axes
    check(figure)
    for side, band, line in zip(
        (before, after), quality.collections, (quality.lines[0], quality.lines[2]), strict=True
    ):
        assert list(line.get_ydata()) == pytest.approx(
            [np.mean([each.f1[step] for each in side.lives]) for step in range(4)]
        )
        for step in range(4):
            interval = mean_interval([each.f1[step] for each in side.lives])
            at = band.get_paths()[0].vertices
            at = at[np.isclose(at[:, 0], step), 1]
            assert (at.min(), at.max()) == pytest.approx((interval.low, interval.high))
    money = [
        np.mean([np.cumsum(net_values(each, PRICES)) for each in side.lives], axis=0) for side in (before, after)
    ]
    for wanted, line in zip(money, worth.lines, strict=False):
        assert np.asarray(line.get_ydata()) == pytest.approx(wanted / 1000)
    assert [2, 3] in xs(quality)
    told = words(figure)
    gain = np.mean(
        [
            sum(net_values(a, PRICES)) - sum(net_values(b, PRICES))
            for a, b in zip(after.lives, before.lives, strict=True)
        ]
    )
    gains = [
        sum(net_values(a, PRICES)) - sum(net_values(b, PRICES))
        for a, b in zip(after.lives, before.lives, strict=True)
    ]
    interval = mean_interval(gains)
    worth = difference_words(gain, "USD", (interval.low, interval.high)).replace(" (", " (95 % interval ")
    assert f"net value {worth}" in " ".join(told.split())
    assert "net value so far (thousands of USD)" in told
    assert "drift begins in month 2" in told


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3, 4)])
def test_too_few_seeds_have_no_band(seeds):
    before, after = both(seeds)
    figure = before_after.before_after_chart(before, after, WORLD, seeds, "twin", "none")
    check(figure)
    assert not any(axes.collections for axes in figure.subfigs[0].axes)
    told = " ".join(words(figure).split())
    assert "there is no interval" in told
    assert ("in this one life" if len(seeds) == 1 else "on average over 4 lives, with no range") in told


def test_a_step_without_f1_is_a_gap():
    gappy = Monthly((None, 0.5), (0, 1), (0.0, 1.0), (), ())
    side = Side(LONG, (gappy,))
    figure = before_after.before_after_chart(side, side, WORLD, (1,), LONG, LONG)
    check(figure)
    assert np.isnan(figure.subfigs[0].axes[0].lines[0].get_ydata()[0])


def test_a_life_survives_as_text():
    one = life(0.1, 3, (1,))
    assert from_text(to_text(one)) == one
    assert from_text(json.dumps(json.loads(to_text(one)))) == one


# Captions


def test_captions_name_the_seeds_and_the_interval():
    assert seeds_words([4]) == "seed 4 alone, so there is no interval over seeds"
    assert seeds_words([1, 3, 9]).startswith("seeds 1, 3, 9: fewer than 5")
    assert seeds_words(range(1, 7)) == "seeds 1 to 6: intervals are 95 % over seeds (t; recovery: bootstrap)"
    told = board_caption(Board("a@1", "none", (), (), None), [1], "telco", "A note.")
    assert told.startswith("Source: comparison on the real IBM Telco table; scenario a@1, gates none; seed 1 alone")
    assert told.endswith("A note.")
