"""A large world is lived through block after block and step after step, and nothing of its life is another."""

from pathlib import Path

import duckdb
import pytest
from lives import small
from runs import CONCEPT, settings_of

from scenarios.injectors import DuplicateFault, LateFault, NullFault
from scenarios.schema import Labels, Offers, Scenario, Training
from sim.mlops.live import run
from sim.mlops.records.record import Record
from sim.mlops.stores import duckdb_log
from sim.study.run_folder import play_live
from sim.world.schema import columns

FAULTS = [
    CONCEPT,
    LateFault(kind="late", onset_step=2, share=0.3, late_steps=1),
    DuplicateFault(kind="duplicates", onset_step=1, share=0.2),
    NullFault(kind="nulls", onset_step=3, columns=("tenure", "Contract"), share=0.4),
]
ODD_LABELS = Labels(delay="long_tailed", delay_days=45, correction_share=0.1, never_share=0.05, horizon_days=60)
WORLDS = {
    "steady": small(steps=6, delay_days=30),
    "faults": small(steps=6, delay_days=30, drift=FAULTS),
    "labels": small(steps=6, drift=[CONCEPT], offers=Offers(seen_in_labels=True, learn_from="weighted")).model_copy(
        update={"labels": ODD_LABELS, "training": Training(max_rows=200)}
    ),
}
LIVES = [("steady", "always", "telco_churn"), ("faults", "drift_calibrated", "none"), ("labels", "always", "none")]


def lived(folder: Path, scenario: Scenario, policy: str, gates: str) -> tuple[Record, list[tuple]]:
    record = play_live(settings_of(folder, scenario, policy, gates=gates), resume=False)
    with duckdb.connect(str(folder / "loop.duckdb"), read_only=True) as connection:
        return record, connection.execute("SELECT * FROM inference_log").fetchall()


def cut_into_blocks(patch: pytest.MonkeyPatch, n_rows: int) -> None:
    """Have all that is done block after block be done in blocks of so many rows, and one step kept in memory."""
    patch.setattr(columns, "BLOCK_ROWS", n_rows)
    patch.setattr(duckdb_log, "_BLOCK_ROWS", n_rows)
    patch.setattr(run, "_MANY_CUSTOMERS", 0)


@pytest.mark.parametrize(("world", "policy", "gates"), LIVES)
def test_a_life_in_blocks_is_the_life_in_one_piece(tmp_path, monkeypatch, world, policy, gates):
    whole = lived(tmp_path / "whole", WORLDS[world], policy, gates)
    cut_into_blocks(monkeypatch, 17)
    blocks = lived(tmp_path / "blocks", WORLDS[world], policy, gates)
    assert blocks[0] == whole[0]
    assert repr(blocks[1]) == repr(whole[1])  # a missing value is not equal to itself


@pytest.mark.slow
def test_a_life_of_many_customers_in_blocks_is_the_life_in_one_piece(tmp_path, monkeypatch):
    scenario = small(steps=4, customers=100_000, delay_days=30, drift=[CONCEPT])
    cut_into_blocks(monkeypatch, 1_000_000)
    whole = lived(tmp_path / "whole", scenario, "always", "telco_churn")
    cut_into_blocks(monkeypatch, 30_000)
    blocks = lived(tmp_path / "blocks", scenario, "always", "telco_churn")
    assert len(whole[0].retrainings) == 4
    assert blocks[0] == whole[0]
    assert repr(blocks[1]) == repr(whole[1])
