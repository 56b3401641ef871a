"""Lives that fork: regions and herds agree with single replays, whatever the world."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from lives import TWIN, small

from policies.catalogue import load_policy
from policies.decision import Action, Decision
from policies.signals import ON_REQUEST, Signals
from scenarios.injectors import ConceptDrift, DroppedFault
from scenarios.schema import Jobs, Labels, Offers, Scenario
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.mlops.records.jobs import Job
from sim.mlops.records.record import Record
from sim.study.comparison.cells import Bench, bench_of, judged
from sim.study.comparison.contestants import Arena, contestants
from sim.study.comparison.results import ScoreValue
from sim.study.lives.box import LINE, Axis, Box, Cut, Grain, Span, holds, merged, overlap
from sim.study.lives.continuum import Region, regions
from sim.study.lives.forks import follow
from sim.study.lives.herd import Herd
from sim.study.lives.template import Template, read_template
from sim.study.replay.replay import Replay
from sim.study.scores.judge import clause_counts
from sim.study.scores.table import Score
from sim.world.world import World

DRIFT = (ConceptDrift(kind="concept", onset_step=5, shifts={"InternetService=DSL": 2.0, "tenure/12": 0.3}),)
BY_WEEK = Labels(delay_days=14, horizon_days=14)


def _labels(scenario: Scenario, **changes: Any) -> Scenario:
    return scenario.model_copy(update={"labels": Labels(**{**scenario.labels.model_dump(), **changes})})


WORLDS = {
    "plain": small(12, drift=DRIFT, delay_days=30),
    "steady": small(12, delay_days=30),
    "feedback": small(10, drift=DRIFT, delay_days=30, offers=Offers(seen_in_labels=True, held_out_share=0.25)),
    "weekly": small(14, drift=DRIFT, step_days=7).model_copy(update={"labels": BY_WEEK}),
    "naive": _labels(small(10, drift=DRIFT), cohorts="naive", delay="churners_early"),
    "lost": _labels(small(10, drift=DRIFT, delay_days=30), never_share=0.4, correction_share=0.3),
    "slow jobs": small(12, drift=DRIFT, delay_days=30, jobs=Jobs(train_days=45, approval_days=30)),
    "empty batch": small(
        10,
        delay_days=30,
        drift=(*DRIFT, DroppedFault(kind="dropped", onset_step=3, share=1.0, profile="blip", duration_steps=1)),
    ),
}
RULES = (
    "f1_drop > {a}",
    "f1_drop >= {a} or psi_max > {b}",
    "not (f1 >= {a}) and psi_max >= {b} or age_days > 200",
    'rule(retrain_when="f1_drop > {a} or {b} < score_psi <= 0.5", cooldown_days={c}, budget_per_year=2)',
    'rule(retrain_when="psi_max > {a}", for_steps={n}, of_steps={o}, rearm_when="psi_max < {b}")',
    'rule(retrain_when="f1_drop >= {a}", training="newest")',
    'rule(retrain_when="trained_on(newest, f1_drop > {a}) or slope(psi_max, {n}) >= {b}", budget_per_year={y})',
)
SEARCHED = {"a": (-0.2, 0.9), "b": (0.0, 0.6), "c": (0.0, 400.0), "n": (1, 4), "o": (1, 6), "y": (0, 3)}


def opened(name: str) -> Replay:
    return Replay(World(WORLDS[name], 1, TWIN, kept_steps=None))


def searched(template: Template) -> Box:
    box = tuple(
        axis.within(Cut(SEARCHED[axis.name][0], is_after=False), Cut(SEARCHED[axis.name][1], is_after=True))
        for axis in template.axes
    )
    asked = tuple(span or LINE for span in box)
    found = overlap(template.whole, asked)
    assert found is not None
    return found


def settings(template: Template, box: Box, found: list[Region], rng: random.Random) -> Iterator[tuple[float, ...]]:
    """Yield settings for ever, half of their numbers from the ends of regions, where > and >= differ."""
    ends = [
        sorted({cut.value for region in found for part in region.boxes for cut in part[at]}) for at in range(len(box))
    ]
    while True:
        point = []
        for axis, numbers, values in zip(template.axes, box, ends, strict=True):
            low, high = numbers.low.value, numbers.high.value
            value = rng.choice(values) if rng.random() < 0.5 else rng.uniform(low, high)
            value = math.floor(value) if axis.grain is Grain.WHOLE else value
            point.append(value if numbers.has(value) else axis.sample(numbers))
        yield tuple(point)


def bare(record: Record) -> tuple[Any, ...]:
    """Return a record without the words of reasons, the values behind them, what was asked for, and whose it is."""

    def job(each: Job | None) -> Job | None:
        return each and replace(each, reason="")

    rows = tuple(
        replace(
            row,
            signals=replace(row.signals, **dict.fromkeys(ON_REQUEST - {"scores", "errors"})),
            decision=replace(row.decision, reason="", evidence={}, clauses={}),
            job_ended=job(row.job_ended),
            job_opened=job(row.job_opened),
        )
        for row in record.steps
    )
    return replace(record, policy="", policy_toml="", steps=rows), rows


def told(record: Record, bench: Bench) -> Mapping[Score, ScoreValue | None]:
    """Return every key of the judge, needless retrainings among them."""
    scores = judged(record, bench, bench.never, with_needless=True).scores
    assert {Score.NET_VALUE, Score.REGRET, Score.RECOVERY_GAINED, Score.DETECTION_DAYS} <= set(scores)
    return scores


def check_settings(name: str, rules: Sequence[str], count: int, *, is_whole: bool = False) -> None:
    """Compare settings with their regions: every step of their lives, and every key of the judge."""
    replay, gates = opened(name), load_profile("none" if name == "plain" else "telco_churn")
    bench = bench_of(replay, gates, (load_training("mix_70_30"), load_training("newest")))
    for rule in rules:
        template = read_template(rule)
        box = template.whole if is_whole else searched(template)
        found = regions(replay, gates, template, box)
        points = settings(template, box, found, random.Random(f"{name} {rule} {is_whole}"))
        of_region: dict[int, Mapping[Score, ScoreValue | None]] = {}
        for _ in range(count):
            point = next(points)
            (at,) = [at for at, each in enumerate(found) if any(holds(part, point) for part in each.boxes)]
            policy = template.fill(dict(zip(template.names, point, strict=True))).build()
            single = replay.record(policy, gates, "single")
            assert bare(single) == bare(found[at].record), (name, rule, point)
            if at not in of_region:
                of_region[at] = told(found[at].record, bench)
            assert told(single, bench) == of_region[at], (name, rule, point)


@pytest.mark.parametrize("rule", RULES)
def test_a_region_lives_as_each_of_its_settings_does(rule):
    check_settings("plain", [rule], 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_two_thousand_settings_live_as_their_regions_in_every_kind_of_world(name):
    """Rules of one to four placeholders, in bounded ranges; those of one and two on the whole real line too."""
    check_settings(name, RULES, 36)
    check_settings(name, RULES[:3], 10, is_whole=True)


@pytest.mark.parametrize("name", ["plain", "feedback"])
def test_a_herd_of_any_kinds_lives_as_each_of_them_does(name):
    replay, gates = opened(name), load_profile("telco_churn")
    texts = ["never", "always", "every(days=60)", "psi_max > 0.1", "psi_max >= 0.1", "f1_drop_p < 0.2"]
    texts += ["cara_cumulative", "ladder", "every(days=90, training='newest')"]
    specs = {text: load_policy(text) for text in texts}
    found = follow(replay, gates, Herd({text: spec.build() for text, spec in specs.items()}))
    assert sorted(member for lived in found for member in lived.crowd.names) == sorted(texts)
    for lived in found:
        for member in lived.crowd.names:
            single = replay.record(specs[member].build(), gates, member)
            assert bare(single) == bare(lived.record), member
    assert len(found) < len(texts)


@pytest.mark.parametrize("name", ["plain", "feedback"])
def test_rules_that_are_played_together_keep_their_own_decisions(name):
    replay, gates = opened(name), load_profile("telco_churn")
    texts = [f"f1_drop > {a} or psi_max > {b}" for a in (0.01, 0.05, 0.3) for b in (0.05, 0.2, 9.0)]
    rivals = contestants([*texts, "f1_drop_p < 0.2", "never"], {})
    arena = Arena(replay, gates)
    arena.play_together(rivals)
    for each in rivals:
        assert each.spec is not None
        single, shared = replay.record(each.spec.build(), gates, each.name), arena.play(each, each.spec)
        assert [row.decision for row in shared.steps] == [row.decision for row in single.steps], each.name
        assert clause_counts(shared) == clause_counts(single)
        assert bare(shared) == bare(single), each.name


def test_a_policy_that_fails_leaves_the_herd_and_the_others_go_on():
    class Broken:
        def decide(self, signals: Signals) -> Decision:
            if signals.step == 3:
                msg = "no"
                raise ValueError(msg)
            return Decision(Action.KEEP, "quiet")

        def deployed(self, version: str) -> None:
            pass

    replay, gates = opened("steady"), load_profile("none")
    herd = Herd({"broken": Broken(), "never": load_policy("never").build()})
    (lived,) = follow(replay, gates, herd)
    assert lived.crowd.names == ("never",)
    assert str(herd.failed["broken"]) == "no"


def test_regions_share_no_setting_and_leave_none_out():
    template = read_template("f1_drop > {a} or psi_max > {b}")
    found = regions(opened("plain"), load_profile("none"), template)
    boxes = [box for region in found for box in region.boxes]
    assert all(overlap(one, other) is None for at, one in enumerate(boxes) for other in boxes[:at])
    assert len(found) > 3
    points = settings(template, template.whole, found, random.Random(1))
    for _ in range(200):
        point = next(points)
        assert sum(holds(box, point) for box in boxes) == 1


def test_more_lives_than_the_bound_are_said_to_be_too_many():
    with pytest.raises(InputError, match="at most 3 lives"):
        regions(opened("plain"), load_profile("none"), read_template("f1_drop > {a} or psi_max > {b}"), most=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f1_drop > 0.05", "must have a placeholder"),
        ("every(days={a})", "only a rule"),
        ("f1_drop > {a} > {b}", "compared with a signal"),
        ("slope(f1, 3) < -{a}", "without a minus"),
        ('rule(retrain_when="f1_drop > {a}", cooldown_days={a})', "one number of a rule"),
        ("f1_dorp > {a}", "f1_drop"),
        ("missing.toml", "readable text"),
    ],
)
def test_a_template_says_what_is_wrong_with_it(text, words):
    with pytest.raises(InputError, match=words):
        read_template(text)


def test_a_template_is_read_from_a_file_with_its_placeholders_in_quotes(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[policy.mine]\nretrain_when = "f1_drop > {a}"\ncooldown_days = "{c}"\n')
    template = read_template(str(file))
    spec = template.fill({"a": 0.1, "c": 45})
    assert template.names == ("a", "c")
    assert (spec.parameters["retrain_when"], spec.parameters["cooldown_days"]) == ("f1_drop > 0.1", 45)
    assert spec.name == "mine(a=0.1, c=45)"
    with pytest.raises(InputError, match="must be one of"):
        template.fill({"a": 0.1, "c": -1})


def test_a_box_is_put_together_again_from_its_parts():
    axis = Axis("n", Span(Cut(1, is_after=False), Cut(9, is_after=False)), Grain.WHOLE)
    low, high = (
        axis.within(Cut(1, is_after=False), Cut(3, is_after=True)),
        axis.within(Cut(3, is_after=True), Cut(8.5, is_after=True)),
    )
    assert low is not None
    assert high is not None
    assert merged([(high, LINE), (low, LINE)]) == [(axis.whole, LINE)]
    assert axis.text(low) == "1 to 3"
