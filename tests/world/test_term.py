"""The language of terms: any column and category can be named, and text without backquotes reads as it always did."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.world.schema.columns import UNSEEN, Column, Schema
from sim.world.schema.term import JOIN, design, indicator, quoted, read_term

NAMES = st.text(st.characters(exclude_characters="`", codec="utf-8"), min_size=1, max_size=12)
TRICKY = st.lists(st.sampled_from([" ", "&", "=", "(", ")", "/", "5", "a", ",", "log1p(", "intercept"]), min_size=1)
ANY_NAME = NAMES | TRICKY.map("".join)
ROW = np.array([[30.0, 1.0]])


def schema_of(number: str, column: str, category: str) -> Schema:
    return Schema((Column(number), Column(column, ("another", category))))


@given(ANY_NAME, ANY_NAME, ANY_NAME)
@example("Monthly (USD)", "Kind", "Bed & breakfast")
@example("a &", "b &", "c &")
@example("intercept", "log1p(a)", " ")
@example("a/5", "a=b", "=c")
def test_every_name_without_a_backquote_reads_back_wherever_it_stands(number, column, category):
    if column == number or category == "another":
        return
    schema = schema_of(number, column, category)
    factors = {
        quoted(number): 30.0,
        f"{quoted(number)}/10": 3.0,
        f"log1p({quoted(number)})": np.log(31.0),
        f"hinge({quoted(number)}, 18)/6": 2.0,
        f"missing({quoted(number)})": 0.0,
        indicator(column, category): 1.0,
    }
    for name, value in factors.items():
        assert design((name,), ROW, schema)[0, 0] == pytest.approx(value)
        product = JOIN.join([name, indicator(column, category), name])
        assert design((product,), ROW, schema)[0, 0] == pytest.approx(value**2)


@pytest.mark.parametrize(
    "name", ["tenure", "Price/unit", "Mietpreis €", "a,b", "A&B", "a'b", "2024", "tenure 12", "missing", "& b"]
)
def test_harmless_names_need_no_quotes(name):
    assert quoted(name) == name
    assert indicator(name, "x") == f"{name}=x"


@pytest.mark.parametrize("category", ["Bank transfer (automatic)", "a=b", "1/2", "a,b", "R&D", "intercept"])
def test_most_categories_need_no_quotes(category):
    assert indicator("Kind", category) == f"Kind={category}"


@pytest.mark.parametrize("name", ["Age (years)", "a=b", "a/12", "a & b", "a &", " a", "a ", "intercept", "log1p(a)"])
def test_names_that_would_read_otherwise_are_quoted(name):
    assert quoted(name) == f"`{name}`"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("`Monthly (USD)`/10", 3.0),
        ("`Monthly (USD)` / 10", 3.0),
        ("hinge(`Monthly (USD)`, 18)", 12.0),
        ("hinge( `Monthly (USD)` ,18)/2", 6.0),
        ("hinge(`Monthly (USD)`, -18.5)", 48.5),
        ("log1p( `Monthly (USD)` )", np.log(31.0)),
        ("Kind=`Bed & breakfast`", 1.0),
        ("`Kind`=`Bed & breakfast`", 1.0),
        (" `Kind` = `Bed & breakfast` & `Monthly (USD)`", 30.0),
        ("`Kind`=another", 0.0),
    ],
)
def test_quotes_read_as_documented(text, value):
    schema = schema_of("Monthly (USD)", "Kind", "Bed & breakfast")
    assert design((text,), ROW, schema)[0, 0] == pytest.approx(value)


def test_a_missing_number_counts_0_on_either_side_of_a_knot():
    rows = np.array([[np.nan, 0.0], [np.inf, 0.0], [-2.0, 0.0]])
    values = design(("hinge(Age, -5)", "hinge(Age, 5)"), rows, schema_of("Age", "Kind", "Flat"))
    np.testing.assert_array_equal(values, [[0, 0], [0, 0], [3, 0]])


def test_missing_tells_a_missing_value_from_every_other():
    schema = schema_of("Age", "Kind", "Flat")
    rows = np.array([[np.nan, np.nan], [0.0, 0.0], [np.inf, UNSEEN]])
    np.testing.assert_array_equal(design(("missing(Age)", "missing(Kind)"), rows, schema), [[1, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Ki`nd=Flat",
            "backquotes must enclose a whole column or category, got 'Ki`nd'; write it like `Age (years)`.",
        ),
        ("`Ki`nd=Flat", "must enclose a whole column or category, got '`Ki`nd'"),
        ("Kind=`Fl`at", "must enclose a whole column or category, got '`Fl`at'"),
        ("``=Flat", "must enclose a whole column or category, got '``'"),
        ("`Age", "a factor must read like"),
        ("log1p(`Age)", "a factor must read like"),
        ("missing(Ag)", "Did you mean 'Age'?"),
        ("`Agee`", "Did you mean 'Age'?"),
        ("Kind", "write Kind=another."),
    ],
)
def test_a_text_with_wrong_quotes_is_refused_in_one_sentence(text, message):
    with pytest.raises(InputError) as refusal:
        read_term(text, schema_of("Age", "Kind", "Flat"))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@given(st.text(st.sampled_from("`&= /()a5"), max_size=15))
def test_any_text_reads_or_is_refused(text):
    schema = schema_of("a", "5", "a5")
    try:
        term = read_term(text, schema)
    except InputError:
        return
    assert term.name == text
