"""The documentation: made pages are those that the code makes, and the site builds without a warning or a request."""

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from sim.mlops.live.checkpoints import read_ledger
from sim.mlops.live.journal import TABLES
from sim.mlops.stores.duckdb_log import DuckDBLog
from sim.world.telco.table import SCHEMA

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))  # examples are no package

import make_reference  # noqa: E402 - needs the path above


@pytest.mark.parametrize("name", make_reference.PAGES)
def test_a_made_page_is_what_the_code_makes(name):
    made = make_reference.PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run `make reference`"


def test_the_page_of_files_has_every_table_and_column():
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        DuckDBLog(connection, SCHEMA)
        connection.execute(TABLES)
        read_ledger(connection)  # makes the tables of a resume
        columns = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
    own = set(SCHEMA.names)
    signals = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    missing = [
        (table, column)
        for table, column in columns
        if f"`{table}`" not in page or (f"`{column}`" not in page + signals and column not in own)
    ]
    assert missing == []


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_for_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:link|script|img)[^>]*?(?:href|src)="(https?:[^"]*)"', text)
        assert [address for address in loaded if "canonical" not in address] == [], page
