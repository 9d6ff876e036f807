"""The binary tables of TrueType fonts: what reports read in them, and lean copies of a font.

Belongs here: reading and writing tables as the OpenType specification has them. Does not belong
here: which fonts reports use and for which characters (fonts).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from math import log2

# Tables without which a font draws the same letters one by one. The rules for joining and placing
# them are of many scripts at once, and a shaper goes through all of them for every word.
_RULES = frozenset({"GSUB", "GPOS", "GDEF", "DSIG"})
_EXTENSION = {"GSUB": 7, "GPOS": 9}
_SINGLE_SUBSTITUTION = 1
_PAIR_ADJUSTMENT = 2
_ADVANCE = 0x0004
_FONT_FAMILY, _FONT_STYLE, _FULL_NAME, _POSTSCRIPT_NAME = 1, 2, 4, 6
# What a subtable of pairs can count its bytes up to.
_PAIRS_AT_ONCE = 10_000

_Pairs = Mapping[tuple[int, int], int]


def read_tables(data: bytes) -> dict[str, bytes]:
    """The tables of a font file by their tags."""
    count = struct.unpack_from(">H", data, 4)[0]
    tables = {}
    for index in range(count):
        tag, _, offset, length = struct.unpack_from(">4sIII", data, 12 + 16 * index)
        tables[tag.decode("ascii")] = data[offset : offset + length]
    return tables


def read_characters(cmap: bytes) -> dict[int, int]:
    """The Unicode characters of a font and their glyphs: formats 4 and 12, the two that matter
    today.
    """
    glyphs: dict[int, int] = {}
    for index in range(struct.unpack_from(">H", cmap, 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHI", cmap, 4 + 8 * index)
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            kind = struct.unpack_from(">H", cmap, offset)[0]
            if kind == 4:
                glyphs.update(_read_segments(cmap, offset))
            elif kind == 12:
                glyphs.update(_read_groups(cmap, offset))
    return glyphs


def plain_glyphs(
    tables: Mapping[str, bytes], *, characters: Collection[int], features: Collection[str]
) -> dict[int, int]:
    """The glyph of each of these characters that the font has, after what the features put in its
    place (such as figures of one width).
    """
    found = read_characters(tables["cmap"])
    glyphs = {code: glyph for code, glyph in found.items() if code in characters}
    for feature in features:
        replaced = _substitutes(tables["GSUB"], feature)
        glyphs = {code: replaced.get(glyph, glyph) for code, glyph in glyphs.items()}
    return glyphs


def lean_copy(
    tables: Mapping[str, bytes],
    glyphs: Mapping[int, int],
    *,
    family: str,
    style: str,
    kerned: Collection[Collection[int]],
) -> bytes:
    """A font file with these characters alone and none of the font's rules, under a name of its
    own. Characters of each of the ``kerned`` groups keep the distances between them.
    """
    distances: dict[tuple[int, int], int] = {}
    for group in kerned:
        distances |= _kerning(tables["GPOS"], {glyphs[code] for code in group if code in glyphs})
    kept = {tag: content for tag, content in tables.items() if tag not in _RULES}
    return _font_file(
        {
            **kept,
            "cmap": _character_table(glyphs),
            "kern": _kerning_table(distances),
            "name": _name_table(family, style),
            # Without the names of glyphs, which no reader of a report sees.
            "post": struct.pack(">I", 0x00030000) + tables["post"][4:32],
        }
    )


def _read_segments(data: bytes, start: int) -> dict[int, int]:
    count = struct.unpack_from(">H", data, start + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", data, start + 14)
    starts = struct.unpack_from(f">{count}H", data, start + 16 + 2 * count)
    deltas = struct.unpack_from(f">{count}H", data, start + 16 + 4 * count)
    ranges_at = start + 16 + 6 * count
    ranges = struct.unpack_from(f">{count}H", data, ranges_at)
    glyphs: dict[int, int] = {}
    for position, (first, last, delta, offset) in enumerate(
        zip(starts, ends, deltas, ranges, strict=True)
    ):
        for code in range(first, min(last, 0xFFFE) + 1):
            if offset == 0:
                glyph = (code + delta) & 0xFFFF
            else:
                place = ranges_at + 2 * position + offset + 2 * (code - first)
                glyph = struct.unpack_from(">H", data, place)[0]
                glyph = (glyph + delta) & 0xFFFF if glyph else 0
            if glyph:
                glyphs[code] = glyph
    return glyphs


def _read_groups(data: bytes, start: int) -> dict[int, int]:
    glyphs: dict[int, int] = {}
    for index in range(struct.unpack_from(">I", data, start + 12)[0]):
        first, last, glyph = struct.unpack_from(">III", data, start + 16 + 12 * index)
        glyphs.update({first + step: glyph + step for step in range(last - first + 1)})
    return glyphs


def _shorts(data: bytes, start: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f">{count}H", data, start)


def _subtables(table: bytes, *, feature: str, tag: str, kind: int) -> Iterator[list[int]]:
    """Where the subtables of each lookup of a feature begin, in the default script and language."""
    scripts, features, lookups = _shorts(table, 4, 3)
    script = scripts + _shorts(table, scripts + 6, 1)[0]
    language = script + _shorts(table, script, 1)[0]
    count = _shorts(table, language + 4, 1)[0]
    chosen: set[int] = set()
    for index in _shorts(table, language + 6, count):
        name, offset = struct.unpack_from(">4sH", table, features + 2 + 6 * index)
        if name.decode("ascii") == feature:
            at = features + offset
            chosen.update(_shorts(table, at + 4, _shorts(table, at + 2, 1)[0]))
    for index in sorted(chosen):
        at = lookups + _shorts(table, lookups + 2 + 2 * index, 1)[0]
        found, _, count = _shorts(table, at, 3)
        starts = [at + offset for offset in _shorts(table, at + 6, count)]
        if found == _EXTENSION[tag]:
            found = _shorts(table, starts[0] + 2, 1)[0]
            starts = [one + struct.unpack_from(">I", table, one + 4)[0] for one in starts]
        if found == kind:
            yield starts


def _covered(table: bytes, start: int) -> dict[int, int]:
    """The glyphs that a coverage names, and the place of each in it."""
    form, count = _shorts(table, start, 2)
    if form == 1:
        return {glyph: index for index, glyph in enumerate(_shorts(table, start + 4, count))}
    places = {}
    for index in range(count):
        first, last, place = _shorts(table, start + 4 + 6 * index, 3)
        places.update({first + step: place + step for step in range(last - first + 1)})
    return places


def _classes(table: bytes, start: int) -> dict[int, int]:
    """The glyphs with a class of their own; all others are of class 0."""
    if _shorts(table, start, 1)[0] == 1:
        first, count = _shorts(table, start + 2, 2)
        return {first + i: one for i, one in enumerate(_shorts(table, start + 6, count))}
    classes = {}
    for index in range(_shorts(table, start + 2, 1)[0]):
        first, last, one = _shorts(table, start + 4 + 6 * index, 3)
        classes.update(dict.fromkeys(range(first, last + 1), one))
    return classes


def _substitutes(gsub: bytes, feature: str) -> dict[int, int]:
    replaced: dict[int, int] = {}
    for starts in _subtables(gsub, feature=feature, tag="GSUB", kind=_SINGLE_SUBSTITUTION):
        for start in starts:
            form, coverage, third = _shorts(gsub, start, 3)
            covered = _covered(gsub, start + coverage)
            if form == 1:
                replaced |= {glyph: (glyph + third) & 0xFFFF for glyph in covered}
            else:
                others = _shorts(gsub, start + 6, third)
                replaced |= {glyph: others[place] for glyph, place in covered.items()}
    return replaced


def _kerning(gpos: bytes, glyphs: AbstractSet[int]) -> dict[tuple[int, int], int]:
    """What the font adds between two of the glyphs, where that is anything."""
    total: dict[tuple[int, int], int] = defaultdict(int)
    for starts in _subtables(gpos, feature="kern", tag="GPOS", kind=_PAIR_ADJUSTMENT):
        # Of one lookup the first subtable that knows a pair decides on it.
        decided: dict[tuple[int, int], int] = {}
        closed: set[int] = set()
        for start in starts:
            covered = _covered(gpos, start + _shorts(gpos, start + 2, 1)[0])
            lefts = {glyph: covered[glyph] for glyph in glyphs & covered.keys() - closed}
            if _shorts(gpos, start, 1)[0] == 1:
                pairs = _listed_pairs(gpos, start, lefts, glyphs)
            else:
                pairs = _class_pairs(gpos, start, lefts, glyphs)
                closed |= lefts.keys()
            decided = pairs | decided
        for pair, value in decided.items():
            total[pair] += value
    return {pair: value for pair, value in total.items() if value}


def _value_at(form: int) -> int | None:
    """Where in a record the advance stands, if it has one."""
    return 2 * (form & (_ADVANCE - 1)).bit_count() if form & _ADVANCE else None


def _listed_pairs(
    gpos: bytes, start: int, lefts: Mapping[int, int], glyphs: AbstractSet[int]
) -> dict[tuple[int, int], int]:
    first, second = _shorts(gpos, start + 4, 2)
    size, value_at = 2 + 2 * (first.bit_count() + second.bit_count()), _value_at(first)
    pairs: dict[tuple[int, int], int] = {}
    if value_at is None:
        return pairs
    for left, place in lefts.items():
        at = start + _shorts(gpos, start + 10 + 2 * place, 1)[0]
        for index in range(_shorts(gpos, at, 1)[0]):
            record = at + 2 + size * index
            right = _shorts(gpos, record, 1)[0]
            if right in glyphs:
                pairs[left, right] = struct.unpack_from(">h", gpos, record + 2 + value_at)[0]
    return pairs


def _class_pairs(
    gpos: bytes, start: int, lefts: Mapping[int, int], glyphs: AbstractSet[int]
) -> dict[tuple[int, int], int]:
    first, second, lefts_at, rights_at, _, count = _shorts(gpos, start + 4, 6)
    size, value_at = 2 * (first.bit_count() + second.bit_count()), _value_at(first)
    pairs: dict[tuple[int, int], int] = {}
    if value_at is None:
        return pairs
    left_classes = _classes(gpos, start + lefts_at)
    right_classes = _classes(gpos, start + rights_at)
    values: dict[int, dict[int, int]] = {}
    for left in lefts:
        one = left_classes.get(left, 0)
        if one not in values:
            row = start + 16 + size * count * one
            by_class = [
                struct.unpack_from(">h", gpos, row + size * other + value_at)[0]
                for other in range(count)
            ]
            values[one] = {
                right: by_class[other]
                for right in glyphs
                if by_class[other := right_classes.get(right, 0)]
            }
        pairs |= {(left, right): value for right, value in values[one].items()}
    return pairs


def _character_table(glyphs: Mapping[int, int]) -> bytes:
    groups = b"".join(struct.pack(">III", code, code, glyphs[code]) for code in sorted(glyphs))
    body = struct.pack(">HHIII", 12, 0, 16 + len(groups), 0, len(glyphs)) + groups
    return struct.pack(">HHHHI", 0, 1, 3, 10, 12) + body


def _kerning_table(pairs: _Pairs) -> bytes:
    """Pairs in as many subtables as their number needs; a shaper adds what it finds in each."""
    ordered = sorted(pairs.items())
    lots = [ordered[at : at + _PAIRS_AT_ONCE] for at in range(0, len(ordered), _PAIRS_AT_ONCE)]
    content = struct.pack(">HH", 0, len(lots))
    for lot in lots:
        search = 2 ** int(log2(len(lot)))
        content += struct.pack(
            ">HHHHHHH",
            0,
            14 + 6 * len(lot),
            1,
            len(lot),
            search * 6 & 0xFFFF,
            int(log2(search)),
            (len(lot) - search) * 6,
        )
        content += b"".join(struct.pack(">HHh", *pair, value) for pair, value in lot)
    return content


def _name_table(family: str, style: str) -> bytes:
    names = {
        _FONT_FAMILY: family,
        _FONT_STYLE: style,
        _FULL_NAME: f"{family} {style}",
        _POSTSCRIPT_NAME: f"{family.replace(' ', '')}-{style}",
    }
    records, texts = b"", b""
    for number, name in names.items():
        text = name.encode("utf-16-be")
        # For Windows, in Unicode, in American English: what every reader of fonts looks for.
        records += struct.pack(">HHHHHH", 3, 1, 0x409, number, len(text), len(texts))
        texts += text
    return struct.pack(">HHH", 0, len(names), 6 + len(records)) + records + texts


def _font_file(tables: Mapping[str, bytes]) -> bytes:
    count = len(tables)
    search = 2 ** int(log2(count))
    head = struct.pack(
        ">IHHHH", 0x00010000, count, search * 16, int(log2(search)), (count - search) * 16
    )
    directory, body = b"", b""
    start = len(head) + 16 * count
    for tag in sorted(tables):
        content = tables[tag]
        padded = content + bytes(-len(content) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += struct.pack(
            ">4sIII", tag.encode("ascii"), checksum, start + len(body), len(content)
        )
        body += padded
    return head + directory + body
