"""Words come back as they were, whatever letters they have."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.world.schema.words import from_arrow, packed, unpacked

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6), max_size=8)
IDS = st.integers(1, 5).flatmap(lambda n: st.lists(st.text("abcF019", min_size=n, max_size=n), max_size=8))


@given(TEXTS | IDS)
def test_packed_words_come_back(texts):
    words = np.array(texts, dtype=np.str_)
    assert unpacked(packed(words)).tolist() == texts
    assert packed(words).nbytes <= words.nbytes


def test_only_ascii_words_are_packed_and_every_second_one_of_an_array_is_too():
    words = np.array(["F01", "F02", "F03", "é04"])
    assert packed(words) is words
    assert packed(words[:3:2]).tolist() == [b"F01", b"F03"]


@given(TEXTS | IDS, st.integers(0, 3), st.integers(0, 3))
def test_words_of_arrow_are_those_that_python_reads(texts, start, end):
    words = pa.array(texts, pa.string())[start : len(texts) - end]
    assert from_arrow(words).tolist() == words.to_pylist()


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()], ids=str)
def test_other_kinds_of_text_are_read_as_well(kind):
    assert from_arrow(pa.array(["F1", "F2"], kind)).tolist() == ["F1", "F2"]
