"""Policies with placeholders: what may be tried for each is found out, and what can't be is said in one sentence."""

import pytest

from policies.catalogue import load_policy
from sim.errors import InputError
from sim.study.lives.policy_template import is_rule, read_policy_template
from sim.study.lives.template import read_template

PATIENT = '''
from policies.decision import Action, Cause, Decision


class Patient:
    """Retrains every so many months; it can't be both patient and greedy, and has no answer to many customers."""

    wants = frozenset({"scores"})

    def __init__(self, steps: int = 3, greed: float = 0.05, share=0.5):
        if steps > 2 and greed > 0.7:
            raise ValueError("patience and greed don't go together")
        self.steps, self.greed, self.share, self.months = steps, greed, share, 0

    def decide(self, signals):
        if self.greed > 0.5 and signals.scores is not None and len(signals.scores) > 100:
            raise RuntimeError("so many customers")
        self.months += 1
        if self.months < self.steps:
            return Decision(Action.KEEP, "waiting")
        return Decision(Action.RETRAIN, "it is time", Cause.SCHEDULE)

    def deployed(self, version):
        self.months = 0
'''


def numbers(text, *ranges):
    return {each.name: (each.low, each.high, each.is_whole) for each in read_policy_template(text, ranges).bounds}


def test_whole_numbers_are_found_out_from_what_a_policy_takes():
    assert numbers("rule(retrain_when='f1_drop > 0.1', for_steps={n})", "n=1:6") == {"n": (1, 6, True)}
    assert numbers("every(days={d})", "d=30:360") == {"d": (30, 360, False)}
    text = 'detector(detector="kswin", settings="window_size={w}, stat_size={s}, alpha={a}", cooldown_days={c})'
    assert numbers(text, "w=60:200", "s=10:30", "a=0.001:0.1:log", "c=0:90") == {
        "w": (60, 200, True),
        "s": (10, 30, True),
        "a": (0.001, 0.1, False),
        "c": (0, 90, False),
    }


def test_a_class_of_ones_own_says_by_int_what_is_whole(tmp_path):
    (tmp_path / "mine.py").write_text(PATIENT)
    text = f"{tmp_path}/mine.py:Patient(steps={{n}}, greed={{d}})"
    assert not is_rule(text)
    assert numbers(text, "n=0.5:4.5", "d=0:1") == {"n": (1, 4, True), "d": (0, 1, False)}
    template = read_policy_template(text, ["n=1:4", "d=0:1"])
    setting = {"n": 2.0, "d": 0.1 + 0.2}
    assert template.fill(setting).parameters == {"steps": 2, "greed": 0.1 + 0.2, "share": 0.5}
    assert load_policy(template.filled_text(setting)).parameters == template.fill(setting).parameters


def test_a_policy_that_cannot_be_had_with_all_its_lowest_numbers_has_others(tmp_path):
    """A study tells by it which policy it tries."""
    (tmp_path / "mine.py").write_text(PATIENT.replace("steps > 2 and greed > 0.7", "steps < 2 and greed < 0.1"))
    template = read_policy_template(f"{tmp_path}/mine.py:Patient(steps={{n}}, greed={{d}})", ["n=1:4", "d=0:1"])
    with pytest.raises(InputError, match="go together"):
        template.fill({"n": 1.0, "d": 0.0})
    assert template.some().parameters == {"steps": 1, "greed": 1.0, "share": 0.5}


def test_a_file_of_another_kind_is_a_template_too(tmp_path):
    (tmp_path / "two.toml").write_text(
        '[policy.often]\nkind = "every"\ndays = "{d}"\n[policy.rule]\nretrain_when = "f1_drop > {a}"\n'
    )
    assert not is_rule(f"{tmp_path}/two.toml:often")
    assert is_rule(f"{tmp_path}/two.toml:rule")
    assert read_policy_template(f"{tmp_path}/two.toml:often", ["d=30:90"]).names == ("d",)
    assert read_template(f"{tmp_path}/two.toml:rule").names == ("a",)
    assert not is_rule("page_hinkley_errors(cooldown_days={c})")
    assert is_rule("proposal(cooldown_days={c})")
    (tmp_path / "one.toml").write_text('[policy.often]\nkind = "every"\ndays = "{d}"\n')
    template = read_policy_template(f"{tmp_path}/one.toml", ["d=30:90"])
    assert template.fill({"d": 45.0}).parameters["days"] == 45


@pytest.mark.parametrize(
    ("text", "ranges", "said"),
    [
        ("every(days=3)", [], "must have a placeholder"),
        ("every(days={d})", [], "must have a --range, got none for {d}"),
        ("every(days={d})", ["d=90:30"], "turn it round"),
        ("every(days={d})", ["d=1:inf"], "turn it round"),
        ("every(days={d})", ["d=1e308:1.1e308"], "within 1,000,000,000,000,000 of 0"),
        ("every(days={d})", ["d=30"], "a name and two numbers"),
        ("every(days={d})", ["d=few:many"], "a name and two numbers"),
        ("every(days={d})", ["d=0:30:log"], "must lie above 0"),
        ("every(days={d})", ["d=30:90:ln"], "a name and two numbers"),
        ("every(days={d})", ["d=30:90", "d=1:2"], "twice"),
        ("every(days={d})", ["e=30:90"], "must be of a placeholder"),
        ("every(days={d})", ["d=-30:90"], "must be a number of days"),
        ("every(dais={d})", ["d=30:90"], "takes days"),
        ('detector(detector="kswin", settings="window_size={w}")', ["w=100.2:100.6"], "must be a whole number"),
    ],
)
def test_what_cannot_be_tried_is_said_in_one_sentence(text, ranges, said):
    with pytest.raises(InputError, match=said) as error:
        read_policy_template(text, ranges)
    assert "\n" not in str(error.value)
