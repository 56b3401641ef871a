"""A real MLflow server behind a faulty proxy: a run ends rightly, or in one sentence, and then is resumed.

Nothing is there twice in either case.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import FaultyProxy, Plan, faulty_proxy
from forge import Forge, Order
from lives import small
from runs import Server
from told import told_in_mlflow, told_in_record, told_in_tables

from scenarios.files import to_toml
from sim.study.run_folder import read_record

LIFE = small(steps=2, customers=60, delay_days=30)
FAULTS = ("delay", "drop", "429", "500", "503", "html", "401", "lost", "hang")
MOMENTS = {
    "at the start": ("", 1),
    "at registering": ("POST &model-versions/create", 2),
    "at moving an alias": ("POST &registered-models/alias", 3),
    "at the end": ("POST &runs/update&FINISHED", 1),
}
PASSING = ("delay", "drop", "429", "500", "503", "lost", "hang")
WAITS = (0.05, 0.1)


class Office:
    """A server, the proxy before it, a forge, and what an undisturbed run tells there."""

    def __init__(self, folder: Path, server: Server, proxy: FaultyProxy, forge: Forge) -> None:
        self.folder, self.server, self.proxy, self.forge = folder, server, proxy, forge
        self.scenario = folder / "life.toml"
        self.scenario.write_text(to_toml(LIFE), encoding="utf-8")
        order = self.order("undisturbed")
        assert forge.play(order).said == ""
        self.undisturbed = self.told(order)

    def order(self, name: str) -> Order:
        name = name.replace(" ", "-")
        address = self.proxy.address
        return Order(
            str(self.folder / name), str(self.scenario), store=address, model_name=f"model-{name}", waits=WAITS
        )

    def told(self, order: Order) -> dict[str, Any]:
        folder = Path(order.folder)
        life_run = read_record(folder).measured["mlflow_run_id"]
        return {
            "record": told_in_record(folder),
            **told_in_tables(folder),
            **told_in_mlflow(self.server.folder / "mlflow.db", life_run),
        }

    def assert_as_if_undisturbed(self, order: Order) -> None:
        found = self.told(order)
        for part, wanted in self.undisturbed.items():
            assert found[part] == wanted, part


@pytest.fixture(scope="module")
def office(tmp_path_factory) -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    server = Server(folder / "server")
    server.start()
    forge = Forge(folder)
    with faulty_proxy(server.port) as proxy:
        yield Office(folder, server, proxy, forge)
    forge.close()
    server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_waited_for_or_told_and_resumed(office, fault, moment):
    """Once: what may pass by itself is waited for; a page for people, or a refusal, ends the run at once."""
    order = office.order(f"once {fault} {moment}")
    matches, nth = MOMENTS[moment]
    office.proxy.plan = Plan(fault, matches, nth)
    ending = office.forge.play(order)
    assert office.proxy.plan.done == 1
    assert ending.signal == 0
    if fault in PASSING:
        assert ending.said == ""
    else:
        assert_one_sentence(ending.said)
        assert office.forge.play(resumed(order)).said == ""
    office.assert_as_if_undisturbed(order)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "delay"])
def test_a_fault_that_lasts_ends_the_run_in_one_sentence_and_a_resumed_run_is_whole(office, fault, moment):
    order = office.order(f"lasting {fault} {moment}")
    matches, nth = MOMENTS[moment]
    office.proxy.plan = Plan(fault, matches, nth, times=0)
    ending = office.forge.play(order)
    office.proxy.plan = Plan()
    assert ending.signal == 0
    assert_one_sentence(ending.said)
    assert ending.seconds < 60
    assert office.forge.play(resumed(order)).said == ""
    office.assert_as_if_undisturbed(order)


def assert_one_sentence(said: str) -> None:
    assert said.startswith(("InputError the MLflow store", "WorkError the run stopped because a store failed ("))
    assert "\n" not in said
    assert "<html" not in said
    assert len(said) < 600


def resumed(order: Order) -> Order:
    return replace(order, resume=(Path(order.folder) / "settings.json").exists())
