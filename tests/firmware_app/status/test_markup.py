"""Text made safe for HTML, against the standard library's way."""

import html

from hypothesis import given
from hypothesis import strategies as st

from firmware_app.status.markup import escape


@given(st.text(alphabet=st.characters() | st.sampled_from("&<>\"'"), max_size=40))
def test_it_is_the_standard_librarys_text(text: str) -> None:
    assert escape(text) == html.escape(text)
