"""Small helpers to write SQL text: quoting and the macros every ingestion connection has.

Belongs here: what reader, validation and adapters share. Does not belong here: anything about one
stream.
"""

from __future__ import annotations

from collections.abc import Iterable


def text(value: str) -> str:
    """A SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text_list(values: Iterable[str]) -> str:
    """A SQL list of texts."""
    return "[" + ", ".join(text(value) for value in values) + "]::VARCHAR[]"


# Macros used by generated and by adapter SQL. `user_salt` is a session variable, so that the salt
# is in no statement text and therefore in no error message.
MACROS = (
    # The members of a JSON object whose names are not in `known`, without those that are null.
    r"""create or replace temp macro unknown_members(document, known) as
        list_filter(
            list_transform(
                list_filter(
                    list_distinct(json_keys(document)),
                    lambda k: not list_contains(known, k)
                ),
                lambda k: {
                    'name': k,
                    'value': json_extract(
                        document, '/' || replace(replace(k, '~', '~0'), '/', '~1')
                    )
                }
            ),
            lambda m: m.value is not null and m.value::varchar <> 'null'
        )""",
    # A JSON object of {name, value} members as text; null when there is none. Values of private
    # names are not kept: they must not reach the lake by being sent under a stream that does not
    # know them.
    r"""create or replace temp macro members_text(members) as
        case when len(members) > 0 then to_json(map_from_entries(list_transform(members, lambda m: {
            'k': m.name,
            'v': case
                when m.name in ('comment', 'user_id') then '"[removed]"'::json else m.value
            end
        })))::varchar end""",
    # A user id that is no hash yet, as the lake holds it.
    r"""create or replace temp macro fresh_user(source, user_id) as
        sha256(getvariable('user_salt') || '|' || source || '|' || user_id)[1:32]""",
    # A user id as the lake holds it. Ids of two sources are different people.
    r"""create or replace temp macro hashed_user(source, user_id) as
        case when starts_with(user_id, 'sha256:') and strlen(user_id) = 39 then user_id[8:]
        else fresh_user(source, user_id) end""",
    # The decimal text of a JSON number. JSON readers pass numbers through a binary float, which is
    # exact to 12 places only below 1000: beyond, the digits are taken from the text of the row.
    r"""create or replace temp macro exact_number(document, member, number_text) as
        case when abs(try_cast(number_text as double)) >= 1000 then
            coalesce(
                case when abs(
                    try_cast(regexp_extract(
                        document, '"' || member || '"\s*:\s*"?(-?[0-9.]+([eE][-+]?[0-9]+)?)', 1
                    ) as double) - try_cast(number_text as double)
                ) <= abs(try_cast(number_text as double)) * 1e-12 then
                    regexp_extract(
                        document, '"' || member || '"\s*:\s*"?(-?[0-9.]+([eE][-+]?[0-9]+)?)', 1
                    )
                end,
                number_text
            )
        else number_text end""",
)
