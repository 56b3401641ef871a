"""Gate profiles: those that come with the package, a user's own, and what is said of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.mlops.gates.checks import apply_gates
from sim.mlops.gates.evidence import STRESSES, Evidence
from sim.mlops.gates.explanations import explain
from sim.mlops.gates.profiles import GATES, GateProfile, load_profile, profiles
from sim.mlops.statistics.metrics import Confusion

TELCO = load_profile("telco_churn")
LOOKING_BACK = ("non_inferiority", "f1_against_best")
THRESHOLDS = {
    "accuracy": 0.70,
    "precision": 0.55,
    "recall": 0.50,
    "f1": 0.55,
    "roc_auc": 0.75,
    "false_negative_rate": 0.50,
    "churn_f1": 0.50,
    "minority_share": 0.10,
    "latency_ms": 50.0,
    "f1_against_champion": 0.02,
    "stressed_mean_low": 0.05,
    "stressed_mean_high": 0.95,
    "stressed_sd": 0.01,
}


def toml(description: str = '"mine"', enforced: str = '["f1"]', **changes: str | None) -> str:
    thresholds: dict[str, object] = {**THRESHOLDS, **changes}
    lines = (f"{key} = {value}" for key, value in thresholds.items() if value is not None)
    return "\n".join([f"description = {description}", f"enforced = {enforced}", "[thresholds]", *lines])


def sentence(profile: GateProfile, gate: str) -> str:
    return next(line.sentence for line in explain(profile) if line.gate == gate)


@pytest.mark.parametrize("name", ["telco_churn", "none"])
def test_the_shipped_profiles_have_the_thresholds_of_the_seven_gates(name: str) -> None:
    profile = load_profile(name)
    assert {key: getattr(profile, key) for key in THRESHOLDS} == THRESHOLDS
    assert profile.name == name


def test_the_shipped_profiles_enforce_all_but_the_clock_or_nothing() -> None:
    assert profiles() == ("do_no_harm", "fraud", "non_inferiority", "none", "retail_churn", "telco_churn")
    assert set(TELCO.enforced) == set(GATES) - {"latency_ms", *LOOKING_BACK}
    assert load_profile("none").enforced == ()
    assert load_profile("none").enforces("evidence")
    assert not TELCO.enforces("latency_ms")


def test_a_profile_of_ones_own_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "strict.toml"
    path.write_text(toml(f1="0.6", accuracy="1"))
    profile = load_profile(str(path))
    assert (profile.name, profile.description, profile.enforced) == ("strict", "mine", ("f1",))
    assert (profile.f1, profile.accuracy) == (0.6, 1)
    assert (profile.base_rate, profile.when_undecided) == ((1869 / 7043, 1869 / 7043), "reject")
    path.write_text("base_rate = [0, 0.1]\nwhen_undecided = 'promote'\n" + toml(least_churners="7"))
    profile = load_profile(str(path))
    assert (profile.base_rate, profile.when_undecided, profile.least_churners) == ((0, 0.1), "promote", 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (toml(f1="0.6", acuracy="0.7"), "got 'acuracy': remove it. Did you mean 'accuracy'"),
        (toml(f1=None, recall=None), "thresholds must have the keys .*, but lacks recall, f1"),
        (toml(f1='"high"'), "f1 must be a number from 0 to 1, got 'high'"),
        (toml(f1="true"), "f1 must be a number from 0 to 1, got True"),
        (toml(f1="1.1"), "f1 must be a number from 0 to 1, got 1.1"),
        (toml(f1="nan"), "f1 must be a number from 0 to 1, got nan"),
        (toml(latency_ms="-1"), "latency_ms must be a number from 0 to 1e[+]06, got -1"),
        (toml(minority_share="0.6"), "minority_share must be a number from 0 to 0.5, got 0.6"),
        (toml(stressed_mean_low="0.96"), "stressed_mean_low to stressed_mean_high must not fall, got 0.96 to 0.95"),
        (toml(enforced='["recal"]'), "enforced must name gates .*, got 'recal'. Did you mean 'recall'"),
        (toml(enforced='"f1"'), "enforced must be a list of gates, got 'f1'"),
        (toml(enforced="[1]"), "an enforced gate must be a name in quotes, got 1"),
        (toml(description="3"), "description must be text, got 3"),
        ("thresholds = 3\ndescription = ''\nenforced = []", "thresholds must be a table, got 3"),
        ("", "must have the keys description, enforced, thresholds, but lacks"),
        ("extra = 1\n" + toml(), "got 'extra'"),
        ("f1 =", "mine must be TOML"),
        ("when_undecided = 'wait'\n" + toml(), "when_undecided must be reject or promote, got 'wait'"),
        ("when_undecided = 3\n" + toml(), "when_undecided must be reject or promote, got 3"),
        (toml(non_inferiority_level="0.4"), "non_inferiority_level must be a number from 0.5 to 0.999, got 0.4"),
        (toml(least_churners="-1"), "least_churners must be a number from 0"),
        (toml(non_inferiority_margn="0.1"), "Did you mean 'non_inferiority_margin'"),
        ("f1 = " + "9" * 5000, "mine must be TOML"),
        ("f1 = " + "[" * 5000, "mine must be TOML, but it is not: "),
        ("base_rate = 0.3\n" + toml(), r"base_rate must be two numbers like \[0.2, 0.3\], got 0.3"),
        ("base_rate = [0.3]\n" + toml(), "base_rate must be two numbers"),
        ("base_rate = [0.1, nan]\n" + toml(), "base_rate must be a number from 0 to 1, got nan"),
        ("base_rate = [0.3, 0.2]\n" + toml(), "base_rate must not fall, got 0.3 to 0.2: swap them"),
    ],
)
def test_a_wrong_profile_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_profile(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"description = '\xe9'")
    for name in ("none.toml", "latin.toml"):
        with pytest.raises(InputError, match=f"must be a readable UTF-8 file, but .*{name} is not"):
            load_profile(str(tmp_path / name))


@pytest.mark.parametrize("name", ["telco_chrn", "../secrets", "", "None"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"gates must be one of do_no_harm, fraud, .*none, .* or a \.toml file"):
        load_profile(name)


def test_a_near_miss_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'telco_churn'"):
        load_profile("telco_chrn")


class TestExplanations:
    def test_every_gate_is_explained_once_with_its_threshold(self) -> None:
        lines = {line.gate: line for line in explain(TELCO)}
        assert tuple(lines) == ("evidence", *(gate for gate in GATES if gate not in LOOKING_BACK))
        assert lines["latency_ms"].threshold == "<= 50"
        assert lines["robustness"].threshold == "mean 0.05 to 0.95, sd > 0.01"
        assert all(line.enforced == (line.gate != "latency_ms") for line in lines.values())

    def test_what_is_only_recorded_is_said_to_be(self) -> None:
        for line in explain(load_profile("none")):
            assert line.sentence.endswith("Recorded, not enforced.") == (line.gate != "evidence")

    def test_gates_that_look_back_are_explained_where_they_are_enforced(self) -> None:
        lines = {line.gate: line for line in explain(load_profile("non_inferiority"))}
        assert tuple(lines) == ("evidence", *GATES)
        assert lines["non_inferiority"].threshold == ">= -0.05, level 0.95"
        assert "not enough evidence, and it is rejected" in lines["non_inferiority"].sentence
        assert "With fewer than 30 churners" in lines["non_inferiority"].sentence
        assert "Retraining itself moves F1 by 0.002" in lines["non_inferiority"].sentence
        assert "promoted if no other gate fails" in sentence(load_profile("do_no_harm"), "non_inferiority")
        plain = replace(load_profile("do_no_harm"), least_churners=0, retraining_sd=0)
        assert "With fewer" not in sentence(plain, "non_inferiority")
        assert "Retraining itself" not in sentence(plain, "non_inferiority")

    @pytest.mark.parametrize("gate", ["accuracy", "false_negative_rate", "churn_f1", "minority_share"])
    def test_gates_that_others_imply_are_named(self, gate: str) -> None:
        assert "Never fails alone" in sentence(TELCO, gate)
        assert "Never fails alone" not in sentence(replace(TELCO, enforced=(gate,)), gate)

    @pytest.mark.parametrize("gate", ["precision", "recall", "f1", "roc_auc", "f1_against_champion", "robustness"])
    def test_gates_that_decide_are_not(self, gate: str) -> None:
        assert "Never fails alone" not in sentence(TELCO, gate)

    @pytest.mark.parametrize(
        ("gate", "thresholds"),
        [
            ("accuracy", {"accuracy": 0.8}),
            ("false_negative_rate", {"false_negative_rate": 0.4}),
            ("churn_f1", {"churn_f1": 0.6}),
            ("minority_share", {"minority_share": 0.2}),
            ("minority_share", {"precision": 0.0}),
        ],
    )
    def test_other_thresholds_make_other_remarks(self, gate: str, thresholds: dict[str, float]) -> None:
        assert "Never fails alone" not in sentence(replace(TELCO, **thresholds), gate)

    def test_an_f1_below_that_of_precision_and_recall_is_implied(self) -> None:
        assert "precision and recall gates imply it" in sentence(replace(TELCO, f1=0.52), "f1")

    def test_an_accuracy_below_that_of_a_constant_is_said_to_be_weak(self) -> None:
        assert "Always saying 'stays' reaches 0.735 at a churn rate of 0.265" in sentence(TELCO, "accuracy")
        assert "Always" not in sentence(replace(TELCO, accuracy=0.74), "accuracy")

    @settings(max_examples=500)
    @given(
        data=st.data(),
        base_rate=st.sampled_from([(1869 / 7043, 1869 / 7043), (0.4, 0.5), (0.01, 0.05)]),
        precision=st.sampled_from([0.0, 0.3, 0.45, 0.55, 0.7]),
        recall=st.sampled_from([0.0, 0.3, 0.5, 0.8]),
        f1=st.sampled_from([0.0, 0.3, 0.55, 0.8]),
        enforced=st.sets(st.sampled_from(GATES)),
    )
    def test_a_gate_that_is_said_never_to_fail_alone_never_does(
        self,
        data: st.DataObject,
        base_rate: tuple[float, float],
        precision: float,
        recall: float,
        f1: float,
        enforced: set[str],
    ) -> None:
        profile = replace(
            TELCO, enforced=tuple(enforced), precision=precision, recall=recall, f1=f1, base_rate=base_rate
        )
        churners = round(7043 * data.draw(st.sampled_from(base_rate)))
        found = data.draw(st.integers(0, churners))
        false_alarms = data.draw(st.integers(0, 7043 - churners))
        counts = Confusion(found, false_alarms, churners - found, 7043 - churners - false_alarms)
        predicted = (found + false_alarms) / 7043
        figures = {
            **{gate: getattr(counts, gate) for gate in ("accuracy", "precision", "recall", "f1")},
            "churn_f1": counts.f1,
            "minority_share": min(predicted, 1 - predicted),
        }
        for line in explain(profile):
            assert ("Never fails alone" in line.sentence) == bool(line.implied_by)
            implying = line.implied_by.split(" and ") if line.implied_by else []
            assert set(implying) <= enforced
            if not implying or any(figures[gate] < getattr(profile, gate) for gate in implying):
                continue
            if line.gate == "false_negative_rate":
                assert counts.false_negative_rate is not None
                assert counts.false_negative_rate <= profile.false_negative_rate
            else:
                least = getattr(profile, line.gate) - 1e-3  # rates are of whole customers
                assert figures[line.gate] >= least


class TestOtherProfiles:
    """The shipped profiles for other customers: as they are written, and on customers of their base rates."""

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("retail_churn", {"f1": 0.60, "recall": 0.55, "false_negative_rate": 0.45, "base_rate": (0.40, 0.50)}),
            ("fraud", {"f1": 0.70, "recall": 0.80, "false_negative_rate": 0.20, "base_rate": (0.01, 0.05)}),
        ],
    )
    def test_they_have_the_thresholds_of_their_trade(self, name: str, wanted: dict[str, object]) -> None:
        profile = load_profile(name)
        assert {key: getattr(profile, key) for key in wanted} == wanted
        assert profile.enforced == TELCO.enforced

    @pytest.mark.parametrize(
        ("name", "churners", "counts"),
        [
            ("retail_churn", 450, (300, 120)),
            ("fraud", 30, (26, 12)),
        ],
    )
    def test_a_good_model_passes_and_each_threshold_stops_a_worse_one(
        self, name: str, churners: int, counts: tuple[int, int]
    ) -> None:
        profile = load_profile(name)
        assert verdict_of(profile, churners, *counts) == ()
        found = counts[0]
        assert "recall" in verdict_of(profile, churners, int(churners * profile.recall) - 1, 0)
        assert "precision" in verdict_of(profile, churners, found, found)
        just_recall = -int(-churners * profile.recall // 1)
        most_alarms = round(just_recall * (1 / profile.precision - 1))
        assert set(verdict_of(profile, churners, just_recall, most_alarms)) - {"accuracy"} == {"f1"}

    def test_always_saying_no_never_passes(self) -> None:
        for name, churners in (("retail_churn", 400), ("fraud", 10)):
            failed = verdict_of(load_profile(name), churners, 0, 0)
            assert {"precision", "recall", "f1", "false_negative_rate", "minority_share"} <= set(failed)
            assert ("accuracy" in failed) == (name == "retail_churn")


def verdict_of(profile: GateProfile, churners: int, found: int, false_alarms: int) -> tuple[str, ...]:
    """Return what a first model fails on 1,000 rows."""
    stayers = 1000 - churners
    parts = [found, churners - found, false_alarms, stayers - false_alarms]
    probability = np.repeat([0.95, 0.45, 0.6, 0.001], parts)
    label = np.arange(1000) < churners
    stressed = dict.fromkeys(STRESSES, probability)
    return apply_gates(Evidence(label, probability, 0.5, stressed=stressed), profile).failed
