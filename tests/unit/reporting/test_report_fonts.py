"""What the embedded fonts can show."""

from __future__ import annotations

import pytest

from orchestration.reporting import fonts


@pytest.mark.parametrize(
    "text",
    ["Zażółć gęślą", "Ωμέγα", "Привет", "مرحبا", "שלום", "नमस्ते", "↑ ↓ → – − … ✓ □"],
)
def test_scripts_of_the_installed_fonts_are_shown_as_they_are(text: str) -> None:
    assert fonts.displayable(text) == text


def test_a_character_no_font_has_becomes_a_visible_placeholder() -> None:
    assert fonts.displayable("日本 Inc") == "□□ Inc"


def test_a_name_cannot_reorder_the_text_around_it() -> None:
    assert fonts.displayable("abc\u202edef\u2066g") == "abcdefg"


def test_line_breaks_and_controls_become_spaces() -> None:
    assert fonts.displayable("a\nb\x00c\u2028d") == "a b c d"


def test_a_text_is_cut_to_the_width_it_has() -> None:
    width = fonts.text_width("Kundenb…", 8)

    assert fonts.fit("Kundenbetreuung", 8, width=width + 0.01) == "Kundenb…"
    assert fonts.fit("Kunden", 8, width=width) == "Kunden"


def test_bold_text_is_wider() -> None:
    assert fonts.text_width("Sessions", 8, bold=True) > fonts.text_width("Sessions", 8)
