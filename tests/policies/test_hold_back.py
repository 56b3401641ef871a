"""The hold-back chain: one for every kind, whether a policy has it built in or a TOML table adds it from outside."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.always import Always
from policies.catalogue import catalogue, load_policy
from policies.conformance import check_policy
from policies.decision import Action, Cause, Decision
from policies.every import Every
from policies.hold_back import SETTINGS, ChainMemory, HeldBack, HoldBack
from policies.reactive import Reactive
from policies.rule import Rule
from policies.signals import Signals
from policies.spec import KINDS, PolicySpec, policies_from_toml
from sim.errors import InputError

TRUE = "psi_max > 0.5"
CHAINS = st.fixed_dictionaries(
    {
        "for_steps": st.integers(1, 4),
        "of_steps": st.integers(1, 6),
        "cooldown_days": st.sampled_from([0, 30, 45, 90]),
        "budget_per_year": st.integers(0, 3),
        "rearm_when": st.sampled_from(["", "null_rate < 0.5", "slope(null_rate, 2) < 0", "not (psi_max > 0.5)"]),
    }
)
LEVELS = st.one_of(st.none(), st.sampled_from([0.0, 0.4, 0.6, 1.0]))
MONTHS = st.lists(
    st.fixed_dictionaries(
        {
            "psi_max": LEVELS,
            "null_rate": LEVELS,
            "job_open": st.booleans(),
            "is_new": st.sampled_from([False] * 5 + [True]),
        }
    ),
    max_size=30,
)


def live(policy, months):
    """Return what a policy answers, month by month; some months begin with a new champion."""
    answers = []
    for step, month in enumerate(months):
        values = dict(month)
        if values.pop("is_new", False):
            policy.deployed(f"retrain-{step:03d}")
        decision = policy.decide(Signals(step=step, day=30 * step, **{"job_open": False, **values}))
        answers.append((decision.action, decision.reason, decision.cause))
    return answers


def reasons(policy, months):
    return [reason for _, reason, _ in live(policy, months)]


@given(CHAINS, MONTHS)
def test_a_rule_held_back_from_outside_answers_as_one_that_holds_itself_back(chain, months):
    assert live(HeldBack(Rule(TRUE), HoldBack(**chain)), months) == live(Rule(TRUE, **chain), months)


@given(CHAINS, MONTHS)
def test_the_chain_is_what_its_words_say(chain, months):
    """An independent reading: lists of days and of truths, looked through anew each month."""
    wanted, asked_days, is_armed, told = [], [], True, []
    rearm = Rule(chain["rearm_when"]).expression if chain["rearm_when"] else None
    past = []
    for step, month in enumerate(months):
        if month["is_new"]:
            wanted, past = [], []
        day, level = 30 * step, month["null_rate"]
        past.append(level)
        slope = past[-1] - past[-2] if len(past) > 1 and None not in past[-2:] else None
        is_true = month["psi_max"] is not None and month["psi_max"] > 0.5
        is_rearmed = {
            "": False,
            "null_rate < 0.5": level is not None and level < 0.5,
            "slope(null_rate, 2) < 0": slope is not None and slope < 0,
            "not (psi_max > 0.5)": month["psi_max"] is not None and not is_true,
        }[chain["rearm_when"]]
        is_armed = is_armed or is_rearmed
        wanted.append(is_true)
        window = max(chain["for_steps"], chain["of_steps"])
        budget = chain["budget_per_year"]
        links = {
            "missing": month["psi_max"] is None,
            "quiet": not is_true,
            "waiting": sum(wanted[-window:]) < chain["for_steps"],
            "disarmed": not is_armed,
            "cooldown": bool(asked_days) and day - asked_days[-1] < chain["cooldown_days"],
            "budget": budget > 0 and len([each for each in asked_days if day - each < 365]) >= budget,
            "job_open": month["job_open"],
        }
        told.append(next((name for name, holds in links.items() if holds), TRUE))
        if told[-1] == TRUE:
            asked_days.append(day)
            is_armed = rearm is None
    assert reasons(Rule(TRUE, **chain), months) == told


def test_two_of_the_last_five_need_not_be_on_end():
    bad, good = {"f1_drop": 0.1}, {"f1_drop": 0.0}
    months = [bad, good, {"f1_drop": None}, good, bad, good, good, bad, good, good, good, good, bad]
    policy = catalogue()["f1_two_of_five"].build()
    waits = [step for step, reason in enumerate(reasons(policy, months)) if reason == "waiting"]
    acted = [
        step
        for step, (action, _, _) in enumerate(live(catalogue()["f1_two_of_five"].build(), months))
        if action is Action.RETRAIN
    ]
    assert (waits, acted) == ([0, 12], [4, 7])


def test_fewer_steps_than_must_be_true_are_as_many():
    months = [{"psi_max": level} for level in (1, 1, 0, 1, 1, 1)]
    assert reasons(Rule(TRUE, for_steps=3, of_steps=2), months) == reasons(Rule(TRUE, for_steps=3), months)
    assert reasons(Rule(TRUE, for_steps=3), months)[-1] == TRUE


@pytest.mark.parametrize("name", catalogue())
def test_a_policy_of_any_kind_keeps_the_contract_with_a_chain(name):
    chain = {"for_steps": 2, "of_steps": 3, "rearm_when": "psi_max < 0.4", "budget_per_year": 3}
    base = catalogue()[name]
    spec = PolicySpec(name, base.kind, {**base.parameters, **chain})
    check_policy(spec.build, name)
    assert {key: spec.parameters[key] for key in chain} == chain
    assert policies_from_toml(spec.to_toml(), "it")[name] == spec


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"rule"}])
def test_every_kind_takes_the_chain_from_a_table_and_is_the_same_without(kind):
    parameters = {"always": {}, "never": {}}.get(kind, {})
    bare = PolicySpec("it", kind, parameters)
    assert PolicySpec("it", kind, {**parameters, "for_steps": 1, "of_steps": 1, "budget_per_year": 0}) == bare
    assert not isinstance(bare.build(), HeldBack)
    (held,) = policies_from_toml(f'[policy.it]\nkind = "{kind}"\nbudget_per_year = 1\n', "a file").values()
    assert isinstance(held.build(), HeldBack)
    assert held.chosen == bare.chosen | {"budget_per_year": 1}
    assert held != bare


def test_what_was_held_back_was_not_asked_for():
    """A calendar that was held back asks as soon as it may, instead of an interval later."""
    held = HeldBack(Every(days=90), HoldBack(cooldown_days=100))
    assert reasons(held, [{}] * 8) == [
        *["quiet"] * 3,
        "90 days since the last request",
        *["quiet"] * 2,
        "cooldown",
        "120 days since the last request",
    ]


def test_a_rollback_passes_where_a_retraining_is_held_back():
    policy = HeldBack(Reactive("psi_max > 0.5", reactive_days=30, repeat_days=30), HoldBack(cooldown_days=10_000))
    months = [{"f1": 0.6, "psi_max": 1.0}, {"f1": 0.6}, {"f1": 0.4, "psi_max": 1.0, "is_new": True}, {"psi_max": 1.0}]
    assert [action for action, _, _ in live(policy, months)] == [
        Action.RETRAIN, Action.KEEP, Action.ROLLBACK, Action.KEEP,
    ]  # fmt: skip


class Pushy:
    """Asks whether a job is open or not."""

    def decide(self, signals):
        return Decision(Action.RETRAIN, "now", Cause.ALARM)

    def deployed(self, version):
        pass


def test_a_policy_that_minds_no_open_job_is_held_back_too():
    assert reasons(HeldBack(Pushy(), HoldBack(cooldown_days=60)), [{}] * 3) == ["now", "cooldown", "now"]


def test_a_class_of_ones_own_takes_the_chain(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from policies.decision import Action, Cause, Decision\n"
        "class Mine:\n"
        "    def decide(self, signals):\n"
        "        if signals.job_open or not signals.psi_max:\n"
        "            return Decision(Action.KEEP, 'job_open' if signals.job_open else 'quiet')\n"
        "        return Decision(Action.RETRAIN, 'mine', Cause.ALARM)\n"
        "    def deployed(self, version): pass\n"
    )
    policy = load_policy(f"{tmp_path / 'mine.py'}:Mine(for_steps=2, of_steps=5)").build()
    assert reasons(policy, [{"psi_max": level} for level in (1, 0, 0, 1, 0, 0, 0, 0, 1)]) == [
        "waiting", "quiet", "quiet", "mine", "quiet", "quiet", "quiet", "quiet", "waiting",
    ]  # fmt: skip


@given(CHAINS, MONTHS)
def test_a_copy_goes_on_alike_and_memories_are_values(chain, months):
    policy = HeldBack(Rule(TRUE), HoldBack(**chain))
    half = len(months) // 2
    live(policy, months[:half])
    twins = [policy, copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))]
    assert len({twin.memory for twin in twins}) == 1
    assert live(twins[1], months[half:]) == live(twins[2], months[half:]) == live(policy, months[half:])
    assert twins[1].memory == policy.memory


def test_a_memory_holds_no_more_than_the_settings_can_look_back_to():
    chain, memory = HoldBack(for_steps=2, of_steps=3, budget_per_year=5), ChainMemory()
    for step in range(200):
        memory = chain.requested(chain.seen(memory, asks=True, is_rearmed=False), 30 * step)
    assert (memory.asked, len(memory.request_days)) == (0b111, 13)


@pytest.mark.parametrize(
    ("chain", "pieces"),
    [
        ({"of_steps": 0}, ["of_steps must be a whole number of steps from 1", "got 0"]),
        ({"for_steps": 1.5}, ["for_steps must be", "1.5"]),
        ({"rearm_when": "psi_mx < 1"}, ["Did you mean 'psi_max'?"]),
        ({"rearm_when": 3}, ["must be text", "int"]),
        ({"cooldown_days": "30"}, ["cooldown_days must be a number of days", "'30'"]),
        ({"of_step": 2}, ["takes no parameters, got 'of_step'", "Did you mean 'of_steps'?"]),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused(chain, pieces):
    with pytest.raises(InputError) as refused:
        PolicySpec("it", "always", chain)
    assert [piece for piece in pieces if piece not in str(refused.value)] == []


def test_rules_take_all_of_the_chain_themselves():
    assert not isinstance(PolicySpec("it", "rule", {"retrain_when": TRUE, **SETTINGS}).build(), HeldBack)
    assert isinstance(PolicySpec("it", "always", {"for_steps": 2}).build(), HeldBack)
    assert repr(Always()) == "Always()"
