"""The catalogue: every policy keeps the contract, and every way of naming one works or says why not."""

import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.catalogue import PolicySpec, catalogue, load_policy
from policies.decision import Action, Cause
from policies.expression import Expression
from policies.rule import Rule
from policies.signals import Signals
from policies.spec import KINDS, policies_from_toml
from sim.errors import InputError

NAMES = ["never", "always", "every", "manual", "proposal", "proposal_without_age"]
NAMES += ["f1_only", "psi_only", "nulls_only", "age_only"]
NAMES += ["two_of_three", "f1_and_psi", "f1_or_psi", "f1_confirmed", "f1_falling", "psi_with_hysteresis"]
NAMES += ["f1_on_a_budget"]
KEEP_REASONS = {"quiet", "missing", "waiting", "disarmed", "cooldown", "budget", "job_open"}


def life(known):
    """Two years of months; signals drift slowly, jobs take a month, models are deployed after it."""
    for step in range(24):
        values = dict.fromkeys(("f1_drop", "psi_max", "null_rate"), step / 40)
        age = {"age_days": 30.0 * (step % 5)}
        yield Signals(step=step, day=30 * step, job_open=step % 4 == 3, **(values | age if known else {}))


def decisions(policy, known=True):
    for signals in life(known):
        if signals.step % 4 == 0:
            policy.deployed(f"job-{signals.step}")
        yield policy.decide(signals)


def test_the_catalogue_holds_what_the_docs_promise():
    assert sorted(catalogue()) == sorted(NAMES)
    assert {spec.kind for spec in catalogue().values()} == set(KINDS)


@pytest.mark.parametrize("name", NAMES)
class TestConformance:
    """What the loop relies on, for every policy of the catalogue."""

    def test_it_decides_the_same_in_every_life(self, name):
        spec = catalogue()[name]
        first, second = list(decisions(spec.build())), list(decisions(spec.build()))
        assert first == second

    def test_it_survives_a_life_without_signals(self, name):
        reasons = {decision.reason for decision in decisions(catalogue()[name].build(), known=False)}
        assert all(reasons)

    def test_it_gives_a_reason_and_a_cause(self, name):
        for decision in decisions(catalogue()[name].build()):
            kept = decision.action is Action.KEEP
            assert (decision.reason in KEEP_REASONS) is kept
            assert (decision.cause is Cause.NONE) is kept

    def test_it_asks_for_nothing_while_a_job_is_open(self, name):
        for signals, decision in zip(life(True), decisions(catalogue()[name].build()), strict=True):
            assert not signals.job_open or decision.action is Action.KEEP

    def test_it_goes_on_in_another_process_where_it_stopped(self, name):
        policy = catalogue()[name].build()
        for signals in life(True):
            twin = pickle.loads(pickle.dumps(policy))
            assert twin.decide(signals) == policy.decide(signals)

    def test_its_specification_travels_and_round_trips(self, name):
        spec = catalogue()[name]
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert policies_from_toml(spec.to_toml(), "test") == {name: spec}
        assert len({spec, load_policy(name)}) == 1

    def test_it_tells_when_it_is_good_and_when_bad(self, name):
        assert "Good" in catalogue()[name].story or "cheapest" in catalogue()[name].story or name == "always"
        assert "Bad" in catalogue()[name].story


def test_the_proposal_is_the_one_of_the_design():
    spec = catalogue()["proposal"]
    rule = "f1_drop > 0.05 or psi_max > 0.25 or null_rate > 0.10 or age_days > 30"
    defaults = {"for_steps": 1, "rearm_when": "", "budget_per_year": 0}
    assert spec.parameters == {"retrain_when": rule, "cooldown_days": 30, **defaults}
    parts = [
        catalogue()[name].parameters["retrain_when"] for name in ("f1_only", "psi_only", "nulls_only", "age_only")
    ]
    assert " or ".join(parts) == rule
    assert catalogue()["proposal_without_age"].parameters["retrain_when"] == " or ".join(parts[:3])


def test_built_policies_share_nothing():
    spec = PolicySpec("cautious", "rule", {"retrain_when": "f1 < 0.5", "for_steps": 2})
    signals = Signals(step=0, day=0, job_open=False, f1=0.1)
    used = spec.build()
    used.decide(signals)
    assert used.decide(signals).action is Action.RETRAIN
    assert spec.build().decide(signals).reason == "waiting"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(name=texts.filter(str.strip), story=texts, days=st.integers(1, 400) | st.floats(1, 400))
def test_any_specification_round_trips_through_toml(name, story, days):
    spec = PolicySpec(name, "every", {"days": days}, story)
    assert policies_from_toml(spec.to_toml(), "test") == {name: spec}


def test_equality_is_by_value_defaults_included():
    short = PolicySpec("a", "rule", {"retrain_when": "f1 < 0.5"})
    full = PolicySpec("a", "rule", {"for_steps": 1, "cooldown_days": 0.0, "retrain_when": "f1 < 0.5"})
    assert short == full
    assert hash(short) == hash(full)
    assert short != PolicySpec("a", "rule", {"retrain_when": "f1 < 0.6"})


@pytest.mark.parametrize(
    ("text", "name", "policy"),
    [
        ("every", "every", "Every(days=90)"),
        (" every( days = 30.0 ) ", "every(days=30)", "Every(days=30.0)"),
        ("always()", "always()", "Always()"),
        (
            "f1_drop>0.050",
            "f1_drop > 0.05",
            repr(Rule("f1_drop > 0.05", 0, 1)),
        ),
        (
            "not(f1 > 1)",
            "not (f1 > 1)",
            repr(Rule("not (f1 > 1)", 0, 1)),
        ),
        (
            "at_least(2, f1 < 0.5, psi_max > 1, age_days > 9)",
            "at_least(2, f1 < 0.5, psi_max > 1, age_days > 9)",
            repr(Rule("at_least(2, f1 < 0.5, psi_max > 1, age_days > 9)", 0, 1)),
        ),
        (
            "f1_only(cooldown_days=60)",
            "f1_only(cooldown_days=60)",
            repr(Rule("f1_drop > 0.05", 60, 1)),
        ),
        (
            'rule(retrain_when="f1 < 0.5", for_steps=2)',
            "rule(retrain_when='f1 < 0.5', for_steps=2)",
            repr(Rule("f1 < 0.5", 0, 2)),
        ),
    ],
)
def test_policies_by_name_with_parameters_or_as_a_rule(text, name, policy):
    spec = load_policy(text)
    assert spec.name == name
    assert repr(spec.build()) == policy


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("propsal", ["'propsal'", "Did you mean 'proposal'?", "retrainlab signals"]),
        ("proposal-without-age", ["Did you mean 'proposal_without_age'?"]),
        ("f1_dorp", ["Did you mean 'f1_drop'?"]),
        ("f1_drop", ["signal 'f1_drop'", "'f1_drop > 0.05'"]),
        ("", ["empty"]),
        ("f1_dorp > 0.05", ["Did you mean 'f1_drop'?"]),
        ("evry(days=3)", ["'evry'", "Did you mean 'every'?"]),
        ("atleast(1, f1 > 1)", ["Did you mean 'at_least'?"]),
        ("every(day=3)", ["'day'", "Did you mean 'days'?"]),
        ("never(days=3)", ["no parameters", "'days'"]),
        ("every(30)", ["name=value", "'every(30)'"]),
        ("every(**{'days': 1})", ["name=value"]),
        ("every(days=1, days=2)", ["once"]),
        ("every(days=10**9)", ["'days=10**9'"]),
        ("every(days={[]})", ["'days={[]}'"]),
        ("every(days=True)", ["'days=True'"]),
        ("every(days=" + "-" * 300 + "1)", ["a number or text in quotes"]),
        ("every(days=" + "9" * 400 + ")", ["1,000,000"]),
        ("every(days='30')", ["days must be a number", "'30'"]),
        ("every(days=-1)", ["-1"]),
        ("every(days=1", ["position"]),
        ("proposal(retrain_when='f1')", ["the bare name 'f1'"]),
        ("rule()", ["'retrain_when'", "add it"]),
        ("no/such/file.toml", ["no/such/file.toml", "No such file"]),
        ("\0.toml", ["null byte"]),
    ],
)
def test_what_is_no_policy_is_refused_with_the_nearest(text, pieces):
    with pytest.raises(InputError) as error:
        load_policy(text)
    assert all(piece in str(error.value) for piece in pieces), str(error.value)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text("every(days=1)proposal.'\"{}[]-, ", max_size=40))
def test_garbage_is_refused_with_nothing_but_an_input_error(text):
    try:
        spec = load_policy(text)
    except InputError:
        return
    assert spec.build() == spec.build()


def test_a_file_with_one_policy(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[policy.mine]\nretrain_when = """\nf1_drop > 0.05\nor psi_max > 0.25"""\nfor_steps = 2\n')
    spec = load_policy(str(path))
    assert (spec.name, spec.kind) == ("mine", "rule")
    built = spec.build()
    assert isinstance(built, Rule)
    assert built.expression == Expression.parse("f1_drop > 0.05 or psi_max > 0.25")


def test_a_file_with_several_policies_says_how_to_choose(tmp_path):
    path = tmp_path / "team.toml"
    path.write_text('[policy.slow]\nkind = "every"\ndays = 180\n[policy.fast]\nkind = "every"\ndays = 30\n')
    with pytest.raises(InputError, match=r"slow, fast.*team\.toml:slow"):
        load_policy(str(path))
    assert load_policy(f"{path}:fast").parameters == {"days": 30}
    with pytest.raises(InputError, match="Did you mean 'fast'"):
        load_policy(f"{path}:fasst")


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        (b"[policy.a\n", ["valid TOML", "line 1"]),
        (b"\xff\xfe", ["readable text"]),
        (b"a = " + b"[" * 5000, ["valid TOML"]),
        (b"", ["got none"]),
        (b"[policy]\n", ["got none"]),
        (b"policy = 3\n", ["got none"]),
        (b'[policy]\nkind = "every"\n', ["policy.kind"]),
        (b'[polic.a]\nkind = "every"\n', ["'polic'", "Did you mean 'policy'?"]),
        (b'[policy.a]\nkind = "evry"\n', ["'a'", "'evry'", "Did you mean 'every'?"]),
        (b"[policy.a]\nkind = 3\n", ["kind", "3"]),
        (b'[policy.a]\nkind = "never"\nstory = 3\n', ["story", "3"]),
        (b"[policy.a]\n", ["'retrain_when'"]),
        (b'[policy.a]\nretrain_when = "f1 > 1"\ncooldwn_days = 3\n', ["Did you mean 'cooldown_days'?"]),
        (b'[policy.a]\nretrain_when = "f1 > 1"\ncooldown_days = [3]\n', ["[3]"]),
        (b'[policy.a]\nretrain_when = "f1 > 1"\ncooldown_days = nan\n', ["nan"]),
        (b"[policy.a]\nretrain_when = 3\n", ["must be text"]),
        (b'[policy.a]\nretrain_when = "f1_dorp > 1"\n', ["Did you mean 'f1_drop'?"]),
        (b'[policy.""]\nkind = "never"\n', ["empty"]),
    ],
)
def test_a_damaged_file_gets_one_sentence_with_its_path(content, pieces, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_policy(str(path))
    message = str(error.value)
    assert "bad.toml" in message
    assert "\n" not in message
    assert all(piece in message for piece in pieces), message


def test_importing_policies_is_light():
    code = "import sys, policies.catalogue as c; c.catalogue(); print({'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
