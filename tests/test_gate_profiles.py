"""Gate profiles: those that come with the package, a user's own, and what is said of them."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.mlops.gate_profiles import GATES, GateProfile, explain, load_profile, profiles
from sim.mlops.metrics import Confusion

TELCO = load_profile("telco_churn")
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
    assert profiles() == ("none", "telco_churn")
    assert set(TELCO.enforced) == set(GATES) - {"latency_ms"}
    assert load_profile("none").enforced == ()
    assert load_profile("none").enforces("evidence")
    assert not TELCO.enforces("latency_ms")


def test_a_profile_of_ones_own_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "strict.toml"
    path.write_text(toml(f1="0.6", accuracy="1"))
    profile = load_profile(str(path))
    assert (profile.name, profile.description, profile.enforced) == ("strict", "mine", ("f1",))
    assert (profile.f1, profile.accuracy) == (0.6, 1)


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
        (toml(stressed_mean_low="0.96"), "stressed_mean_low must be at most stressed_mean_high, got 0.96 and 0.95"),
        (toml(enforced='["recal"]'), "enforced must name gates .*, got 'recal'. Did you mean 'recall'"),
        (toml(enforced='"f1"'), "enforced must be a list of gates, got 'f1'"),
        (toml(enforced="[1]"), "an enforced gate must be a name in quotes, got 1"),
        (toml(description="3"), "description must be text, got 3"),
        ("thresholds = 3\ndescription = ''\nenforced = []", "thresholds must be a table, got 3"),
        ("", "must have the keys description, enforced, thresholds, but lacks"),
        ("extra = 1\n" + toml(), "got 'extra'"),
        ("f1 =", "mine must be TOML"),
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
    with pytest.raises(InputError, match=r"gates must be one of none, telco_churn or a \.toml file"):
        load_profile(name)


def test_a_near_miss_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'telco_churn'"):
        load_profile("telco_chrn")


class TestExplanations:
    def test_every_gate_is_explained_once_with_its_threshold(self) -> None:
        lines = {line.gate: line for line in explain(TELCO)}
        assert tuple(lines) == ("evidence", *GATES)
        assert lines["latency_ms"].threshold == "<= 50"
        assert lines["robustness"].threshold == "mean 0.05 to 0.95, sd > 0.01"
        assert all(line.enforced == (line.gate != "latency_ms") for line in lines.values())

    def test_what_is_only_recorded_is_said_to_be(self) -> None:
        for line in explain(load_profile("none")):
            assert line.sentence.endswith("Recorded, not enforced.") == (line.gate != "evidence")

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
        assert "Always saying 'stays' reaches 0.735" in sentence(TELCO, "accuracy")
        assert "Always" not in sentence(replace(TELCO, accuracy=0.74), "accuracy")

    @settings(max_examples=500)
    @given(
        st.integers(0, 1869),
        st.integers(0, 5174),
        st.sampled_from([0.3, 0.45, 0.55, 0.7]),
        st.sampled_from([0.3, 0.5]),
    )
    @example(1869, 2200, 0.45, 0.5)  # below a precision of 0.5 a high recall costs accuracy
    def test_precision_and_recall_imply_what_they_are_said_to_imply(
        self, found: int, false_alarms: int, precision: float, recall: float
    ) -> None:
        counts = Confusion(found, false_alarms, 1869 - found, 5174 - false_alarms)
        profile = replace(TELCO, precision=precision, recall=recall)
        assert counts.precision is not None
        assert counts.recall is not None
        if counts.precision < precision or counts.recall < recall:
            return
        predicted = (found + false_alarms) / 7043
        figures = {"accuracy": counts.accuracy, "minority_share": min(predicted, 1 - predicted), "f1": counts.f1}
        for gate, value in figures.items():
            if "Never fails alone" in sentence(profile, gate):
                assert value is not None
                assert value >= getattr(profile, gate)
