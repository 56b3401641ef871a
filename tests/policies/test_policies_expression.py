"""The rule language: what it means, and everything that it refuses."""

import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.decision import Truth
from policies.expression import MAX_DEPTH, MAX_LENGTH, Expression
from policies.signals import CATALOGUE, Signals
from sim.errors import InputError

PROPOSAL = "f1_drop > 0.05 or psi_max > 0.25 or null_rate > 0.10 or age_days > 30"
NAMES = ("f1_drop", "psi_max", "age_days")
DEGREE = {Truth.FALSE: 0.0, Truth.MISSING: 0.5, Truth.TRUE: 1.0}
TRUTH = {degree: truth for truth, degree in DEGREE.items()}
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def today(**values) -> Signals:
    return Signals(step=0, day=0, job_open=False, **values)


def evaluate(text: str, **values) -> Truth:
    return Expression.parse(text).evaluate(today(**values))


@dataclass(frozen=True)
class Case:
    """A text, and what it means: the degree of truth (0, 0.5 or 1) under given signals, as Kleene defines it."""

    text: str
    degree: Callable[[Signals], float]


def comparison(name: str, relation: str, number: float) -> Case:
    def degree(signals: Signals) -> float:
        value = getattr(signals, name)
        return 0.5 if value is None or math.isnan(value) else float(COMPARE[relation](value, number))

    return Case(f"{name} {relation} {number}", degree)


def negation(part: Case) -> Case:
    return Case(f"not ({part.text})", lambda signals: 1 - part.degree(signals))


def conjunction(parts: list[Case]) -> Case:
    return Case(
        " and ".join(f"({part.text})" for part in parts), lambda signals: min(part.degree(signals) for part in parts)
    )


def disjunction(parts: list[Case]) -> Case:
    return Case(
        " or ".join(f"({part.text})" for part in parts), lambda signals: max(part.degree(signals) for part in parts)
    )


def at_least(minimum: int, parts: list[Case]) -> Case:
    return Case(
        f"at_least({minimum}, {', '.join(part.text for part in parts)})",
        lambda signals: sorted((part.degree(signals) for part in parts), reverse=True)[minimum - 1],
    )


numbers = st.sampled_from([-1.0, 0.0, 0.05, 0.5, 30.0])
values = st.none() | st.just(float("nan")) | st.sampled_from([-2.0, 0.0, 0.05, 0.4, 31.0])
days = st.builds(today, **dict.fromkeys(NAMES, values))
cases = st.recursive(
    st.builds(comparison, st.sampled_from(NAMES), st.sampled_from(list(COMPARE)), numbers),
    lambda inner: st.one_of(
        inner.map(negation),
        st.lists(inner, min_size=2, max_size=4).map(conjunction),
        st.lists(inner, min_size=2, max_size=4).map(disjunction),
        st.lists(inner, min_size=2, max_size=4).flatmap(
            lambda parts: st.integers(1, len(parts)).map(lambda minimum: at_least(minimum, parts))
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(cases, days)
def test_every_rule_means_what_kleene_says(case, signals):
    assert DEGREE[Expression.parse(case.text).evaluate(signals)] == case.degree(signals)


@settings(deadline=None)
@given(cases, days)
def test_the_normal_text_means_the_same_and_stays_as_it_is(case, signals):
    rule = Expression.parse(case.text)
    again = Expression.parse(rule.text)
    assert again == rule
    assert again.evaluate(signals) is rule.evaluate(signals)


@settings(deadline=None)
@given(cases, cases, days)
def test_de_morgan(left, right, signals):
    one = Expression.parse(f"not (({left.text}) and ({right.text}))")
    other = Expression.parse(f"not ({left.text}) or not ({right.text})")
    assert one.evaluate(signals) is other.evaluate(signals)


@settings(deadline=None)
@given(cases, days, st.sampled_from(NAMES), numbers)
def test_learning_a_missing_signal_never_overturns_what_was_known(case, signals, name, number):
    rule = Expression.parse(case.text)
    before = rule.evaluate(replace(signals, **{name: None}))
    after = rule.evaluate(replace(signals, **{name: number}))
    assert before in (Truth.MISSING, after)


@settings(deadline=None)
@given(cases, days)
def test_a_rule_is_true_exactly_when_it_has_reasons(case, signals):
    rule = Expression.parse(case.text)
    reasons = rule.reasons(rule.clause_values(signals))
    assert bool(reasons) is (rule.evaluate(signals) is Truth.TRUE)
    assert all(Expression.parse(reason.text).evaluate(signals) is Truth.TRUE for reason in reasons)


@settings(deadline=None)
@given(cases)
def test_all_signals_missing_leaves_every_rule_open(case):
    assert Expression.parse(case.text).evaluate(today()) is Truth.MISSING


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_not_does_not_fire_on_a_missing_signal(missing):
    assert evaluate("not (f1_drop > 0.05)", f1_drop=missing) is Truth.MISSING
    assert evaluate("f1_drop != 0.05", f1_drop=missing) is Truth.MISSING


def test_one_true_clause_is_enough_for_the_proposal():
    assert evaluate(PROPOSAL, psi_max=0.3) is Truth.TRUE
    assert evaluate(PROPOSAL, f1_drop=0.0, psi_max=0.25, null_rate=0.10, age_days=30) is Truth.FALSE
    assert evaluate(PROPOSAL, psi_max=0.0, null_rate=0.0, age_days=0) is Truth.MISSING


def test_chains_hold_when_every_link_does():
    assert evaluate("0 < f1_drop <= 0.1", f1_drop=0.1) is Truth.TRUE
    assert evaluate("0 < f1_drop <= 0.1", f1_drop=0.2) is Truth.FALSE
    assert evaluate("f1 < precision < recall", f1=0.9, precision=0.1) is Truth.MISSING


def test_negative_numbers_and_signals_on_both_sides():
    assert evaluate("-0.1 < f1_drop", f1_drop=-0.05) is Truth.TRUE
    assert evaluate("precision > recall", precision=0.6, recall=0.5) is Truth.TRUE
    assert evaluate("f1_drop > 0", f1_drop=float("inf")) is Truth.TRUE


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (PROPOSAL, "f1_drop > 0.05 or psi_max > 0.25 or null_rate > 0.1 or age_days > 30"),
        ("  f1>1.0\n or  (((psi_max)<2e0)) ", "f1 > 1 or psi_max < 2"),
        ("f1 > 1 or f1 > 2 and f1 > 3", "f1 > 1 or (f1 > 2 and f1 > 3)"),
        ("not f1 > 1 and not (f1 > 2 or f1 > 3)", "not (f1 > 1) and not (f1 > 2 or f1 > 3)"),
        ("at_least(2, f1>1, not f1>2, f1>3 or f1>4)", "at_least(2, f1 > 1, not (f1 > 2), f1 > 3 or f1 > 4)"),
        ("at_least(1, f1 > 1, f1 > 2)", "f1 > 1 or f1 > 2"),
        ("at_least(1, f1 > 1)", "f1 > 1"),
        ("f1 > -0", "f1 > 0"),
        ("f1 > -0.5", "f1 > -0.5"),
    ],
)
def test_normal_text(text, normal):
    assert Expression.parse(text).text == normal


def test_names_and_clauses_come_once_in_order_of_appearance():
    rule = Expression.parse("psi_max > 1 and (f1 > 0.2 or psi_max>1.0) or 0.1 < f1 < recall")
    assert rule.names == ("psi_max", "f1", "recall")
    assert rule.clauses == ("psi_max > 1", "f1 > 0.2", "0.1 < f1 < recall")
    assert rule.clause_values(today(psi_max=2, f1=0.1)) == {
        "psi_max > 1": Truth.TRUE,
        "f1 > 0.2": Truth.FALSE,
        "0.1 < f1 < recall": Truth.MISSING,
    }


@pytest.mark.parametrize(
    ("text", "values", "reasons"),
    [
        (PROPOSAL, {"psi_max": 0.3, "age_days": 60}, ["psi_max > 0.25", "age_days > 30"]),
        ("not (f1 >= 0.5)", {"f1": 0.4}, ["not (f1 >= 0.5)"]),
        ("not (f1 > 0.5 or psi_max > 1)", {"f1": 0.4, "psi_max": 0}, ["not (f1 > 0.5)", "not (psi_max > 1)"]),
        ("f1 < 0.5 and psi_max > 1 or age_days > 3", {"f1": 0.4, "psi_max": 0, "age_days": 9}, ["age_days > 3"]),
        ("at_least(2, f1 < 0.5, psi_max > 1, age_days > 3)", {"f1": 0, "age_days": 9}, ["f1 < 0.5", "age_days > 3"]),
        ("f1 < 0.5", {"f1": 0.6}, []),
    ],
)
def test_reasons_are_the_clauses_that_made_the_rule_true(text, values, reasons):
    rule = Expression.parse(text)
    assert [reason.text for reason in rule.reasons(rule.clause_values(today(**values)))] == reasons


def test_a_rule_travels_to_other_processes():
    rule = Expression.parse(f"not ({PROPOSAL}) and at_least(2, f1 > 1, f1 > 2, f1 != 3)")
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ["empty"]),
        (" \n ", ["empty"]),
        ("f1_dorp > 0.05", ["'f1_dorp'", "Did you mean 'f1_drop'?"]),
        ("PSI_MAX > 0.05", ["Did you mean 'psi_max'?"]),
        ("psi_mx", ["'psi_mx'", "Did you mean 'psi_max'?"]),
        ("zzz > 1", ["'zzz'", "retrainlab signals"]),
        ("step > 3", ["'step'"]),
        ("nan > f1", ["'nan'"]),
        ("f1_drop", ["made of comparisons", "the bare name 'f1_drop'"]),
        ("f1 > 0.5 or psi_max", ["the bare name 'psi_max'"]),
        ("f1 > 0.5 or 1", ["the bare value '1'"]),
        ("max(f1, recall) > 1", ["the call 'max(f1, recall)'"]),
        ("__import__('os').system('true')", ["the call", "__import__"]),
        ("at_least_two(f1 > 1)", ["the call 'at_least_two(f1 > 1)'"]),
        ("f1.real > 1", ["the attribute 'f1.real'"]),
        ("f1 > 'a'", ["the bare value \"'a'\""]),
        ("f1 > True", ["'True'"]),
        ("f1 > -True", ["'-True'"]),
        ("f1 > None", ["'None'"]),
        ("f1 > 1j", ["'1j'"]),
        ("f1 > {a}", ["'{a}'"]),
        ("f1 - 0.1 > recall", ["the arithmetic 'f1 - 0.1'"]),
        ("f1 > 1 + 1", ["the arithmetic '1 + 1'"]),
        ("f1 > --1", ["'--1'"]),
        ("-f1 > 1", ["'-f1'"]),
        ("(f1 > 1) > 0", ["the comparison 'f1 > 1'"]),
        ("(f1 or recall) > 0", ["the condition 'f1 or recall'"]),
        ("lambda: 1", ["the lambda 'lambda: 1'"]),
        ("f1 > 1 if f1 > 2 else f1 > 3", ["the piece 'f1 > 1 if"]),
        ("(x := f1 > 1)", ["x := f1 > 1"]),
        ("f1 in recall", ["'f1 in recall'", "<="]),
        ("f1 is recall", ["'f1 is recall'"]),
        ("1 < 2", ["name a signal", "'1 < 2'"]),
        ("f1 > 1e999", ["finite", "'1e999'"]),
        ("f1 > -1e999", ["finite"]),
        (f"f1 > {'9' * 400}", ["finite"]),
        ("f1_drop = 0.05", ["position 9", "'= 0.05'"]),
        ("f1 > 0.05 OR psi_max > 1", ["position 11", "OR psi_max"]),
        ("f1 >", ["position"]),
        ("f1 > 1or f1 > 2", ["position 6"]),
        ("f1 > 1) or (f1 > 2", ["position 7"]),
        ("f1 > 1; f1 > 2", ["position 7"]),
        ("f1 > 1, f1 > 2", ["'f1 > 1, f1 > 2'"]),
        ("f1 > 1 # or f1 > 2", ["comment", "# or f1 > 2"]),
        ("f1 > 1\0", ["A rule"]),
        ("\ud800 > 1", ["A rule"]),
        ("at_least", ["'at_least'"]),
        ("at_least()", ["at_least(2, clause"]),
        ("at_least(1)", ["at_least(2, clause"]),
        ("at_least(k=1)", ["at_least(2, clause"]),
        ("at_least(3, f1 > 1, f1 > 2)", ["from 1 to 2", "'3'"]),
        ("at_least(0, f1 > 1, f1 > 2)", ["from 1 to 2", "'0'"]),
        ("at_least(1.0, f1 > 1)", ["'1.0'"]),
        ("at_least(True, f1 > 1)", ["'True'"]),
        ("at_least(f1 > 1, f1 > 2)", ["'f1 > 1'"]),
        ("at_least(1, *f1)", ["'*f1'"]),
        ("at_least(1, f1)", ["the bare name 'f1'"]),
        ("(" * 300, ["A rule"]),
        ("not " * 200 + "f1 > 1", [f"{MAX_DEPTH} deep"]),
        ("-" * 1900 + "1", ["A rule"]),
        ("f1" + ".a" * 900, ["A rule"]),
        ("f1 > 1 or " * 500 + "f1 > 1", [f"at most {MAX_LENGTH} characters"]),
    ],
)
def test_anything_but_comparisons_is_refused_by_name(text, pieces):
    with pytest.raises(InputError) as error:
        Expression.parse(text)
    assert all(piece in str(error.value) for piece in pieces), str(error.value)


@pytest.mark.parametrize("value", [None, 0.05, b"f1 > 1", ["f1 > 1"]])
def test_a_rule_must_be_text(value):
    with pytest.raises(InputError, match="must be text"):
        Expression.parse(value)


TOKENS = """( ) [ ] { } and or not at_least , < == = := in - . ** ' f'' \\
0 1.5 1e999 f1 f1_drop nope lambda : if else await *"""
tokens = st.sampled_from([*TOKENS.split(), "\n"])


@settings(max_examples=500, deadline=None)
@given(
    st.text(max_size=60) | st.lists(tokens, max_size=25).map(" ".join) | st.lists(tokens, max_size=25).map("".join)
)
def test_garbage_is_refused_with_nothing_but_an_input_error(text):
    try:
        names = Expression.parse(text).names
    except InputError:
        return
    assert 0 < len(names) == len(set(names) & set(CATALOGUE))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('pathlib').Path('trace').touch()",
        "f1 > __import__('pathlib').Path('trace').touch()",
        "[open('trace', 'w') for _ in 'a'] > f1",
        "at_least(open('trace', 'w'), f1 > 1)",
        'f1 > f\'{open("trace", "w")}\'',
    ],
)
def test_nothing_in_a_rule_is_ever_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        Expression.parse(text)
    assert not (tmp_path / "trace").exists()
