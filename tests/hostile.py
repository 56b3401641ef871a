"""Generators of inputs that nobody should send: broken, hostile, huge or nearly right; for hypothesis and fuzzers."""

import shlex
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from lives import small

from policies.catalogue import catalogue
from policies.signals import CATALOGUE
from scenarios.files import catalogue as scenario_catalogue
from scenarios.files import to_toml


def fuzz(inputs: st.SearchStrategy[Any], count: int, check: Callable[[Any], None], *, shrinks: bool = True) -> int:
    """Check so many inputs, the same ones each time, and return how many there were; a failing one may be shrunk."""
    tried: list[None] = []

    @seed(13)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=tuple(Phase) if shrinks else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def run(value: Any) -> None:
        tried.append(None)
        check(value)

    run()
    return len(tried)


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


def _catalogue_of(package: str) -> list[Any]:
    """Return the profiles that come with a package of the loop."""
    folder = files(f"sim.mlops.{package}") / "catalogue"
    return sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name)


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

_PARTS = ("loop.duckdb", "mlflow.db", "settings.json", "scenario.toml", "policy.toml", "mlartifacts")
_TABLES = (
    "checkpoints",
    "registered_models",
    "mlflow_place",
    "seals",
    "inference_log",
    "model_versions",
    "decisions",
)
BYTES_OF_A_RUN = st.tuples(
    st.sampled_from(_PARTS), st.sampled_from(["write", "cut", "insert"]), st.floats(0, 1), st.binary(min_size=1)
)
"""Damage to a file of a run folder: which file, what is done, where (a share of its size), and the bytes."""

VALUES_OF_A_JOURNAL = st.tuples(
    st.sampled_from(_TABLES), st.integers(0, 99), st.integers(0, 99), ODD_TEXT | NUMBER | st.none() | st.just("{}")
)
"""Damage to a row of a journal: which table, row and column, and what is put there; without a value the row goes."""

GATE_FILES = mutated(st.sampled_from([path.read_text(encoding="utf-8") for path in _catalogue_of("gates")]))
"""Gate profiles that were good once."""

TRAINING_FILES = mutated(st.sampled_from([path.read_text(encoding="utf-8") for path in _catalogue_of("models")]))
"""Training profiles that were good once."""

SCHEMA_FILES = mutated(
    st.just(
        '[file]\nencoding = "utf-8"\nseparator = ";"\n[columns."Monthly price"]\nkind = "number"\nmissing = ["?"]\n'
        'decimal = ","\nthousands = "."\nunit = "$"\n[columns.plan]\nkind = "category"\n[columns.id]\n'
        'kind = "ignored"\n'
    )
)
"""Files of what columns are, nearly right."""

_WORK_FREE = [  # by what stands before the bar each ends before any work, for the folder holds notes and no run
    "compare --dry-run | competitor --policy never --seeds 2 --population twin --price offer_cost=20",
    "compare --dry-run | steady --policy 'f1_drop > {a}' --grid a=0.1:0.2:2 --population twin --training newest",
    "compare --dry-run | season --policies f1_only --gates none --population twin --fail-if 'f1_only.regret > 3'",
    "run --resume --out none | competitor --policy 'f1_drop > 0.05' --population twin --seed 1 --trials 0",
    "surface --out . | competitor --rule 'f1_drop > {a}' --range a=0.01:0.2 --population twin --seeds 2",
    "tune --out . | competitor --rule 'psi_max > {a}' --limit 'retrains_per_year <= 4' --population twin",
    "backtest none.csv | --score s --label l --prediction p --date d --label-date a --id i",
    "gates show | telco_churn",
    "training | newest",
    "policies | proposal",
    "scenarios | steady",
    "signals |",
    "data check none.csv | --target churn --churned yes --ignore id --date-format %Y",
    "report none | --price offer_cost=1 --against none",
]


@st.composite
def _lines(draw: st.DrawFn) -> list[str]:
    """Return the words of a command after one to three of them were lost, doubled, moved or written over."""
    fixed, words = map(shlex.split, draw(st.sampled_from(_WORK_FREE)).split("|"))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(words)))
        put = draw(st.lists(ODD_TEXT | NUMBER | EXPRESSIONS | st.sampled_from(["--help", "--json", "-"]), max_size=2))
        words = words[:at] + put + words[at + draw(st.integers(0, 1)) :]
    return [word.replace("\x00", "") for word in fixed + words]


LINES = _lines()
"""Command lines as one types them in a hurry; none of them works for long."""
