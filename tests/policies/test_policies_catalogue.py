"""The catalogue: every policy keeps the contract, and every way of naming one works or says why not."""

import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.catalogue import PolicySpec, catalogue, load_policy
from policies.decision import Action
from policies.expression import Expression
from policies.ladder import Ladder
from policies.rule import Rule
from policies.signals import Signals
from policies.spec import policies_from_toml
from sim.errors import InputError


@pytest.mark.parametrize("name", catalogue())
def test_a_specification_travels_and_round_trips(name):
    spec = catalogue()[name]
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert policies_from_toml(spec.to_toml(), "test") == {name: spec}
    assert len({spec, load_policy(name)}) == 1


def test_the_proposal_is_the_one_of_the_design():
    spec = catalogue()["proposal"]
    rule = "f1_drop > 0.05 or psi_max > 0.25 or null_rate > 0.10 or age_days > 30"
    defaults = {"for_steps": 1, "of_steps": 1, "rearm_when": "", "budget_per_year": 0}
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
        ("ladder(recalibrate_first=false)", "ladder(recalibrate_first=false)", repr(Ladder(recalibrate_first=False))),
        ("ladder(recalibrate_first=True)", "ladder(recalibrate_first=true)", repr(Ladder())),
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
        ("every(days=True)", ["days must be a number", "True"]),
        ("rule(retrain_when=true)", ["must be text", "got bool"]),
        ("ladder(recalibrate_first=0)", ["recalibrate_first must be true or false", "0"]),
        ("ladder(recalibrate_first='no')", ["recalibrate_first must be true or false", "'no'"]),
        ("detector(detector=5)", ["detector must be one of adwin", "got 5."]),
        ("detector(watches=1)", ["must be one of errors, scores, got 1."]),
        ("detector(settings=1)", ["Settings must be text", "got 1."]),
        ("cara(strategy=true)", ["strategy must be one of", "got True."]),
        ("cara(staleness=3)", ["staleness must be a known signal, got 3.", "retrainlab signals"]),
        ("dynamic(signal=1)", ["signal must be a known signal, got 1."]),
        ("dynamic(method=1)", ["method must be one of quantile, mean, got 1."]),
        ("online_fdr(p_value=0.05)", ["p_value must be one of", "got 0.05."]),
        ("online_fdr(level=0.6)", ["level must be a number from 1e-09 to 0.5, got 0.6."]),
        ("online_fdr(method=1)", ["method must be one of lord, saffron, got 1."]),
        ("expected_value(drop=1)", ["drop must be a known signal, got 1."]),
        ("ladder(recalibrate_first=maybe)", ["true or false", "'recalibrate_first=maybe'"]),
        ("every(days=" + "-" * 300 + "1)", ["a number, text in quotes, true or false"]),
        ("every(days=" + "9" * 400 + ")", ["1,000,000"]),
        ("every(days='30')", ["days must be a number", "'30'"]),
        ("every(days=-1)", ["-1"]),
        ("every(days=1", ["A policy must be written name(parameter=value, ...)", "position"]),
        ("not (f1 > 1", ["A rule must be made of comparisons", "position"]),
        ("slope(f1, 3", ["A rule must be made of comparisons", "position"]),
        ("slope(f1,3)", ["must compare 'slope(f1, 3)' with something", "'slope(f1, 3) < -0.02'"]),
        ("slope(f1)", ["slope(signal, steps)"]),
        ("detector(settings='delta=')", ["Settings must be written name=value, ...; got", "position"]),
        ("every(days=" + "1" * 2000 + ")", ["A policy must have at most 2000 characters"]),
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


any_value = st.sampled_from(["0", "1", "-1", "0.05", "1e999", "true", "false", "''", "'f1'", "'x'"])
calls = st.one_of(
    st.builds("{}({}={})".format, st.just(name), st.sampled_from(list(spec.parameters)), any_value)
    for name, spec in catalogue().items()
    if spec.parameters
)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=40) | st.text("every(days=1)proposal.'\"{}[]-, ", max_size=40) | calls)
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
        (b'[policy.a]\nkind = "detector"\ndetector = ["adwin"]\n', ["detector must be one of", "['adwin']"]),
        (b'[policy.a]\nkind = "detector"\nsettings = {delta = 1}\n', ["Settings must be text", "{'delta': 1}"]),
        (b'[policy.a]\nkind = "cara"\nstaleness = [1]\n', ["staleness must be a known signal", "[1]"]),
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
