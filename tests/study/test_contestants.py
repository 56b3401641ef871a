"""Contestants: what the texts of a comparison stand for, and which are refused."""

from dataclasses import replace

import pytest
from lives import TWIN, small

from policies.catalogue import catalogue, load_policy
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.study.comparison.contestants import Arena, Contestant, ablations, contestants
from sim.study.comparison.grid import expand, parse_grid
from sim.study.replay.replay import Replay
from sim.world.world import World


def names(*texts, grid=()):
    return [each.name for each in contestants(texts, parse_grid(grid)) if not each.is_ablation]


def test_policies_the_oracle_and_coins():
    found = contestants(["never", "coin( like = proposal )", " oracle ", "proposal", "f1_drop>0.050"], {})
    plain = [each for each in found if not each.is_ablation]
    assert [each.name for each in plain] == ["never", "coin(like=proposal)", "oracle", "proposal", "f1_drop > 0.05"]
    assert plain[1] == Contestant("coin(like=proposal)", like="proposal")
    assert plain[2] == Contestant("oracle")
    assert plain[3].spec.build().cooldown_days == 30


def test_what_is_said_twice_is_played_once():
    assert names("never", "never ", "f1_drop > 0.05", "f1_drop>0.05", "oracle", "oracle") == [
        *("never", "f1_drop > 0.05", "oracle")
    ]


def test_a_grid_fills_placeholders_with_every_combination():
    assert names("f1_drop > {a} or psi_max > {b}", "every(days={c})", grid=["a=0.02:0.1:3", "b=0.1,0.2", "c=30"]) == [
        *(f"f1_drop > {a} or psi_max > {b}" for a in (0.02, 0.06, 0.1) for b in (0.1, 0.2)),
        "every(days=30)",
    ]
    assert expand("f1_drop > {a} and f1 < {a}", {"a": [0.123456789]}) == [
        "f1_drop > 0.123456789 and f1 < 0.123456789"
    ]
    assert parse_grid(["a = 1:1:1"]) == {"a": (1.0,)}
    assert names("coin(like=f1_drop > {a})", "f1_drop > {a}", grid=["a=0.1,0.2"])[0] == "coin(like=f1_drop > 0.1)"


def test_each_clause_of_clauses_joined_by_or_is_left_out_in_turn():
    found = [each for each in contestants(["proposal"], {}) if each.is_ablation]
    assert [each.drops for each in found] == [
        *("f1_drop > 0.05", "psi_max > 0.25", "null_rate > 0.1", "age_days > 30")
    ]
    assert {each.of for each in found} == {"proposal"}
    without = {"retrain_when": "psi_max > 0.25 or null_rate > 0.1 or age_days > 30"}
    assert found[0].spec.parameters == {**catalogue()["proposal"].parameters, **without}
    two = contestants(["f1_drop > 0.05 or (psi_max > 0.25 and age_days > 9)"], {})
    assert [each.spec.parameters["retrain_when"] for each in two[1:]] == [
        *("psi_max > 0.25 and age_days > 9", "f1_drop > 0.05")
    ]


@pytest.mark.parametrize("text", ["f1_drop > 0.05", "f1_drop > 0.05 and psi_max > 0.1", "never", "manual", "oracle"])
def test_other_policies_have_no_clause_to_leave_out(text):
    assert ablations(contestants([text], {})[0]) == []


WRONG = {
    "an unknown policy": (["propsal"], [], "Did you mean 'proposal'"),
    "nearly the oracle": (["orcale"], [], "Did you mean 'oracle'"),
    "a coin like nothing": (["coin"], [], "coin"),
    "an unknown signal": (["f1_drp > 0.05"], [], "did you mean 'f1_drop'"),
    "a coin like nobody": (["never", "coin(like=nobody)"], [], "nobody"),
    "a coin like one who is not there": (["never", "coin(like=proposal)"], [], "add --policy for it"),
    "a coin like the oracle": (["oracle", "coin(like=oracle)"], [], "oracle"),
    "a coin like a coin": (["never", "coin(like=never)", "coin(like=coin(like=never))"], [], "coin"),
    "a placeholder without values": (["f1_drop > {a}"], [], r"\{a\}.*add --grid a="),
    "values without a placeholder": (["never"], ["a=1,2"], "'a'"),
    "values of another name": (["f1_drop > {threshold}"], ["threshold=1", "treshold=1"], "Did you mean 'threshold'"),
    "values twice": (["f1_drop > {a}"], ["a=1", "a=2"], "one --grid"),
    "no values": (["f1_drop > {a}"], ["a="], "a=0.02:0.10:9"),
    "no name": (["f1_drop > {a}"], ["0.1,0.2"], "names no placeholder"),
    "words": (["f1_drop > {a}"], ["a=low:high:3"], "low"),
    "half a range": (["f1_drop > {a}"], ["a=0.1:0.2"], "a=0.02:0.10:9"),
    "a range of one": (["f1_drop > {a}"], ["a=0.1:0.2:1"], "needs 2 to"),
    "a range without end": (["f1_drop > {a}"], ["a=0.1:0.2:1000000000"], "needs 2 to"),
    "no number": (["f1_drop > {a}"], ["a=nan"], "not finite"),
    "infinity": (["f1_drop > {a}"], ["a=0:inf:3"], "not finite"),
    "a value out of range": (["every(days={a})"], ["a=-3"], "-3"),
}


@pytest.mark.parametrize(("texts", "grid", "said"), WRONG.values(), ids=WRONG)
def test_what_is_refused_and_what_is_said(texts, grid, said):
    with pytest.raises(InputError, match=f"(?i){said}"):
        contestants(texts, parse_grid(grid))


def test_two_policies_of_one_name_are_refused(tmp_path):
    (tmp_path / "mine.toml").write_text('[policy.never]\nkind = "every"\ndays = 30\n')
    with pytest.raises(InputError, match="got two called 'never'"):
        contestants(["never", str(tmp_path / "mine.toml")], {})


def test_a_repeated_clause_is_left_out_once():
    names = [each.name for each in contestants(["f1_drop > 0.05 or f1_drop > 0.05 or psi_max > 1"], {})]
    assert len(names) == len(set(names))


def test_policies_that_differ_by_their_names_alone_are_played_once_and_keep_their_names():
    replay, gates = Replay(World(small(6, delay_days=30), 1, TWIN, kept_steps=None)), load_profile("none")
    arena = Arena(replay, gates)
    named = contestants(["psi_max > 0.1 or f1 > 2", "psi_max > 0.1 or f1 > 3"], {})
    without = [each for each in named if each.drops in ("f1 > 2", "f1 > 3")]
    assert len(without) == 2
    records = [arena.play(each, each.spec) for each in without]
    assert records[0].steps is records[1].steps
    for each, record in zip(without, records, strict=True):
        single = replay.record(each.spec.build(), gates, each.name, each.spec.to_toml())
        assert record == single
    others = [
        replace(without[0], training=load_training("newest")),
        replace(without[0], spec=replace(without[0].spec, training="history")),
        replace(without[0], spec=load_policy("psi_max >= 0.1")),
    ]
    for other in others:
        assert arena.play(other, other.spec).steps is not records[0].steps
