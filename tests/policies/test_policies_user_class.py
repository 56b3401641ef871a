"""Policies of one's own: one class in one file, by name, in a comparison and in a live run."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from policies.catalogue import load_policy
from policies.signals import Signals
from policies.spec import policies_from_toml
from sim.errors import InputError

PATIENT = '''
from dataclasses import dataclass, field

from policies.decision import Action, Cause, Decision


@dataclass
class Patient:
    """Retrains on every n-th month in which PSI is high."""

    months: int = 3
    seen: int = 0

    def decide(self, signals):
        if signals.psi_max is None or not signals.psi_max > 0.25:
            return Decision(Action.KEEP, "quiet")
        self.seen += 1
        if self.seen % self.months:
            return Decision(Action.KEEP, "waiting")
        return Decision(Action.RETRAIN, "psi is high again", Cause.ALARM)

    def deployed(self, version):
        self.seen = 0


class Needy:
    def __init__(self, months):
        raise ValueError("I need more")


class Vague:
    def __init__(self, level=None):
        pass


class Teller:
    def __init__(self, story="long"):
        pass


class Open:
    def __init__(self, past={}):
        pass


@dataclass
class Keeper(Patient):
    past: list = field(default_factory=list)


HELPER = 3
'''

PLAIN = '''
from policies.decision import Action, Decision, Policy


class Bare(Policy):
    """Has no constructor of its own."""

    def decide(self, signals):
        return Decision(Action.KEEP, "quiet")


class Lax(Bare):
    def __init__(self, level=0.5, *others, **more):
        self.level = level


class Deaf(Bare):
    def deployed(self):
        pass
'''


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PATIENT)
    return path


def test_a_class_of_ones_own_is_a_policy_like_any_other(file):
    spec = load_policy(f"{file}:Patient")
    assert (spec.name, spec.kind) == ("Patient", f"{file}:Patient")
    assert spec.parameters == {"months": 3, "seen": 0}
    assert load_policy(f"{file}:Patient(months=2)").name == "Patient(months=2)"
    built = load_policy(f"{file}:Patient(months=1)").build()
    high = Signals(step=0, day=0, job_open=False, psi_max=0.3)
    assert built.decide(high).reason == "psi is high again"
    assert pickle.loads(pickle.dumps(built)) == built


def test_its_specification_travels_and_says_which_code_it_was(file):
    spec = load_policy(f"{file}:Patient")
    assert pickle.loads(pickle.dumps(spec)) == spec
    with pytest.raises(InputError, match=r"test is data and can't have code run: .*--policy .*mine\.py:Patient"):
        policies_from_toml(spec.to_toml(), "test")
    file.write_text(PATIENT.replace("0.25", "0.5"))
    assert load_policy(f"{file}:Patient") != spec
    with pytest.raises(InputError, match=r"must be what it was, but .*mine\.py has changed"):
        replace(spec)


def test_a_changed_file_is_run_again(file):
    high = Signals(step=0, day=0, job_open=False, psi_max=0.3)
    assert load_policy(f"{file}:Patient(months=1)").build().decide(high).reason != "quiet"
    file.write_text(PATIENT.replace("0.25", "0.5"))
    assert load_policy(f"{file}:Patient(months=1)").build().decide(high).reason == "quiet"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (":Patent", PATIENT, "must hold the class Patent.*Did you mean 'Patient'?"),
        (":HELPER", PATIENT, "must hold the class HELPER"),
        (":Patient(month=2)", PATIENT, "Did you mean 'months'?"),
        (":Patient(2)", PATIENT, "name=value"),
        (":Needy", PATIENT, "must set 'months'"),
        (":Needy(months=3)", PATIENT, "cannot be built: ValueError: I need more"),
        (":Vague", PATIENT, "'Vague' must take text, numbers, true or false, but its parameter level is None: give"),
        (":Teller", PATIENT, "must not call a parameter story, which is a key of its table"),
        (":Open", PATIENT, "'Open' must take text, numbers, true or false, but its parameter past is {}"),
        (":Keeper", PATIENT, "'Keeper' must take text, .* but its parameter past is <factory>: .* out of the constr"),
        (":Bare(level=3)", PLAIN, "takes no parameters, got 'level'"),
        (":Lax(more=3)", PLAIN, "takes level, got 'more'"),
        (":Deaf", PLAIN, r"must hear by deployed\(version\) of each new champion, but Deaf raised TypeError"),
        (":Patient", "import nothing_of_the_kind", "must run without an error, got ModuleNotFoundError"),
        (":Patient", "class Patient(", "must run without an error, got SyntaxError"),
        (":Patient", "class Patient:\n    def decide(self, signals): ...\n", "lacks deployed"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence(tmp_path, name, content, told):
    path = tmp_path / "mine.py"
    path.write_text(content)
    with pytest.raises(InputError, match=told):
        load_policy(f"{path}{name}")


def test_a_constructor_of_no_or_any_parameters_has_those_with_a_name(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLAIN)
    bare, lax = load_policy(f"{path}:Bare"), load_policy(f"{path}:Lax(level=0.3)")
    assert (bare.parameters, lax.parameters, lax.chosen) == ({}, {"level": 0.3}, {"level": 0.3})
    assert lax.build().level == 0.3


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.py.*No such file"):
        load_policy(f"{tmp_path}/nowhere.py:Patient")


def test_a_policy_that_breaks_the_contract_is_refused_where_it_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PATIENT.replace("signals.psi_max is None or ", ""))
    with pytest.raises(InputError, match="must answer every day, whatever is missing, but Patient raised TypeError"):
        load_policy(f"{path}:Patient")


def test_the_example_of_the_docs_conforms(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    path = tmp_path / "patient.py"
    path.write_text(page.split("```python\n# patient.py\n")[1].split("```")[0])
    assert load_policy(f"{path}:Patient(level=0.03)").parameters == {"level": 0.03}
