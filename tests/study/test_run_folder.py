"""The run folder: a record is read back as equal, does not grow with the customers, and old ones still open."""

import json
import shutil
from dataclasses import asdict, replace

import pytest
from lives import live, small

from policies.catalogue import load_policy
from sim.errors import InputError
from sim.study.run_folder import RECORD_FILE, STEPS_FILE, read_record, write_record


def record_of(customers: int, **more):
    return live(small(steps=4, customers=customers, delay_days=30, **more), load_policy("always").build()).record


def written(folder, record):
    folder.mkdir()
    write_record(record, folder)
    return folder


def test_a_record_is_read_back_as_equal(tmp_path):
    for name, record in (("few", record_of(60)), ("many", record_of(600))):
        assert read_record(written(tmp_path / name, record)) == record


def test_the_text_of_a_record_does_not_grow_with_the_customers(tmp_path):
    sizes = []
    for customers in (200, 4000):
        record = record_of(customers)
        sizes.append((written(tmp_path / str(customers), record) / RECORD_FILE).stat().st_size)
    assert sum(len(row.tally.persuasions) for row in record.steps) > 300
    assert sizes[1] < 1.05 * sizes[0]


def test_a_record_of_the_first_schema_still_opens(tmp_path):
    """It holds in its text what lies apart now."""
    record = record_of(200)
    folder = written(tmp_path / "old", record)
    content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    content["schema_version"] = 1
    for step, row in zip(content["steps"], record.steps, strict=True):
        step["tally"]["persuasions"] = asdict(row.tally)["persuasions"]
    (folder / RECORD_FILE).write_text(json.dumps(content), encoding="utf-8")
    (folder / STEPS_FILE).unlink()
    assert read_record(folder) == replace(record, schema_version=1)


@pytest.mark.parametrize("damage", ["gone", "noise", "other"])
def test_a_record_whose_steps_are_damaged_is_refused_in_one_sentence(tmp_path, damage):
    folder = written(tmp_path / "run", record_of(60))
    if damage == "gone":
        (folder / STEPS_FILE).unlink()
    elif damage == "noise":
        (folder / STEPS_FILE).write_bytes(b"PAR1 noise PAR1")
    else:
        shorter = record_of(60)
        other = written(tmp_path / "other", replace(shorter, steps=shorter.steps[:2]))
        shutil.copy(other / STEPS_FILE, folder / STEPS_FILE)
    with pytest.raises(InputError, match="must hold the record of a run") as refused:
        read_record(folder)
    assert "\n" not in str(refused.value)
