"""What is shown is text: no control character of data reaches the terminal or a page, and no message is endless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import small

from reports.first_page import FirstPage
from reports.page import Page, render
from scenarios.files import to_toml
from sim.cli.app import run_app
from sim.shown_text import LONGEST_MESSAGE, redacted, sentence, visible

HOSTILE = "\x1b]0;pwned\x07"
CONTROLS = st.text(st.characters(categories=["Cc", "Cf", "Lu"]), max_size=40)


@given(CONTROLS)
def test_no_control_character_is_left_and_visible_text_stays(text):
    shown = visible(text)
    assert all(letter.isprintable() or letter in "\n\t" for letter in shown)
    assert visible(shown) == shown


@given(st.text(min_size=1, max_size=12, alphabet="abc@:/#%?!"), st.sampled_from(["http", "postgresql+psycopg"]))
def test_no_password_survives(password, scheme):
    secret = f"Q{password}Q"
    assert secret not in redacted(f"cannot open {scheme}://ann:{secret}@host/x for long")


def test_a_message_is_one_line_that_ends_with_what_to_do():
    told = sentence(f"a name must be short, got {'x' * 100_000}\n{HOSTILE}; give another.")
    assert len(told) <= LONGEST_MESSAGE
    assert told.endswith("; give another.")
    assert "\n" not in told


def ended(capsys, monkeypatch, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["retrainlab", *arguments])
    with pytest.raises(SystemExit) as end:
        run_app()
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


def test_a_story_cannot_change_the_title_of_a_terminal(tmp_path, capsys, monkeypatch):
    path = tmp_path / "story.toml"
    scenario = small(steps=2).model_copy(update={"story": f"Once {HOSTILE} upon", "title": f"T{HOSTILE}"})
    path.write_text(to_toml(scenario), encoding="utf-8")
    code, out, _ = ended(capsys, monkeypatch, "scenarios", str(path))
    assert code == 0
    assert "\x1b" not in out
    assert "\\x1b]0;pwned\\x07" in out


def test_a_name_in_a_refusal_is_made_visible_and_cut(capsys, monkeypatch):
    code, _, err = ended(capsys, monkeypatch, "scenarios", HOSTILE + "x" * 50_000)
    assert code == 2
    assert "\x1b" not in err
    assert len(err) < LONGEST_MESSAGE + 50


def test_a_page_shows_what_data_hides():
    first = FirstPage(f"question {HOSTILE}", f"answer {HOSTILE}")
    page = Page(f"T{HOSTILE}", first, {"policy": HOSTILE}, [], [], [])
    html = render(page)
    assert "\x1b" not in html
    assert html.count("\\x1b]0;pwned\\x07") >= 3


def test_a_file_that_is_nested_thousands_of_levels_deep_is_refused(tmp_path, capsys, monkeypatch):
    for name, text in (("arrays", "x = " + "[" * 5000 + "]" * 5000), ("keys", ".".join(["a"] * 5000) + " = 1")):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        for command in ("scenarios", "policies", "gates", "training"):
            code, _, err = ended(capsys, monkeypatch, command, str(path))
            assert code == 2, (name, command, err)
            assert err.count("\n") == 1
