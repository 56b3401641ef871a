"""Generators of inputs that nobody should send: broken, hostile, huge or nearly right; for hypothesis and fuzzers."""

from hypothesis import strategies as st
from lives import small

from policies.catalogue import catalogue
from policies.signals import CATALOGUE
from scenarios.files import catalogue as scenario_catalogue
from scenarios.files import to_toml

ODD_TEXT = st.text(max_size=40) | st.sampled_from(
    [
        "\x1b]0;x\x07",
        "\u202eabc",
        "nan",
        "inf",
        "-0",
        "1e999",
        "9" * 5000,
        "None",
        "__class__",
        "{0.a}",
        "%s",
        "'\"",
        "\x00",
    ]
)
SIGNAL = st.sampled_from(sorted(CATALOGUE)) | ODD_TEXT
NUMBER = st.floats().map(repr) | st.integers(-(10**30), 10**30).map(str)
COMPARISON = st.builds(
    "{} {} {}".format, SIGNAL, st.sampled_from([">", "<", ">=", "==", "!=", "=", "in", "~"]), NUMBER
)


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.builds("{} {} {}".format, parts, st.sampled_from(["and", "or", "xor", ",", "if"]), parts)
    return pairs | parts.map("not ({})".format) | parts.map("({}".format) | parts.map("at_least(2, {0}, {0})".format)


EXPRESSIONS = st.recursive(COMPARISON, _joined, max_leaves=8)
"""Rules that are nearly right."""

CALLS = st.builds(
    "{}({}={})".format,
    st.sampled_from(sorted({spec.kind for spec in catalogue().values()})),
    ODD_TEXT,
    NUMBER | ODD_TEXT,
)
"""Policies by name with parameters that are nearly right."""

_TOMLS = [to_toml(small(steps=2)), *(to_toml(scenario) for scenario in scenario_catalogue().values())]


@st.composite
def mutated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """Return a text with up to four places changed: cut out, doubled, or written over."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        put = draw(st.sampled_from(["", text[start:end] * 2]) | ODD_TEXT | NUMBER)
        text = text[:start] + put + text[end:]
    return text


SCENARIOS = mutated(st.sampled_from(_TOMLS)) | st.text(max_size=200)
"""Scenario files that were good once."""

POLICY_FILES = mutated(
    st.sampled_from([spec.to_toml() for spec in catalogue().values() if spec.kind != "user"])
) | st.builds("[policy.x]\nretrain_when = {!r}".format, EXPRESSIONS)
"""Policy files that were good once."""

CELLS = ODD_TEXT | NUMBER | st.sampled_from(["", "?", "1,5", "$5", "50 %", "2026-01-31", "Yes", "No", "Yes", "No"])
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=5).map(",".join), max_size=12).map(
    lambda rows: "\n".join(["plan,price,churn", *rows])
)
"""Tables of customers as nobody should save them."""

GRIDS = st.builds("{}={}:{}:{}".format, ODD_TEXT | st.just("a"), NUMBER, NUMBER, NUMBER) | ODD_TEXT
"""Options with ranges."""

BYTES = st.binary(max_size=300)
