"""What the embedded fonts can show."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest

from orchestration.reporting import fonts
from orchestration.reporting.font_tables import read_characters, read_tables


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


def test_figures_share_one_width_so_that_columns_of_them_align() -> None:
    assert len({round(fonts.text_width(figure, 8), 6) for figure in "0123456789"}) == 1


@pytest.mark.parametrize("text", ["Zażółć 24%", "Ωμέγα", "Привет", "↑ ↓ → – − …"])
def test_plain_letters_come_from_the_lean_copy_of_the_font(
    lean_tables: Mapping[str, bytes], text: str
) -> None:
    assert read_characters(lean_tables["cmap"]).keys() >= set(map(ord, text))


@pytest.mark.parametrize("text", ["مرحبا", "שלום", "नमस्ते"])
def test_letters_that_join_are_left_to_the_font_with_its_rules(
    lean_tables: Mapping[str, bytes], text: str
) -> None:
    assert not read_characters(lean_tables["cmap"]).keys() & set(map(ord, text))


def test_the_lean_copy_has_no_rules_for_a_shaper_to_go_through(
    lean_tables: Mapping[str, bytes],
) -> None:
    assert not {"GSUB", "GPOS"} & lean_tables.keys()


@pytest.mark.parametrize(
    ("pair", "distance"), [("To", -55), ("P,", -120), ("AV", -14), ("va", -5), ("on", 0)]
)
def test_the_lean_copy_keeps_the_distances_between_letters(
    lean_tables: Mapping[str, bytes], pair: str, distance: int
) -> None:
    """The distances are those that fontTools reads in FiraGO's own table."""
    glyphs = read_characters(lean_tables["cmap"])
    wanted = struct.pack(">HH", *(glyphs[ord(letter)] for letter in pair))
    kerning = lean_tables["kern"]
    found, at = 0, 4
    for _ in range(struct.unpack_from(">H", kerning, 2)[0]):
        count = struct.unpack_from(">H", kerning, at + 6)[0]
        records = [kerning[at + 14 + 6 * i : at + 20 + 6 * i] for i in range(count)]
        found += sum(struct.unpack(">h", one[4:])[0] for one in records if one[:4] == wanted)
        at += 14 + 6 * count

    assert found == distance


@pytest.fixture(scope="module")
def lean_tables(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    folder = tmp_path_factory.mktemp("fonts")
    fonts.write_fonts(folder)
    return read_tables((folder / "ReportSans-Regular.ttf").read_bytes())
