{#
    The filter of a relation that only grows by what loads bring: every row in a full build, else
    the rows of loads that no publication holds yet. A load stays pending until a publication, so a
    build that failed its audit is done again.

    The days that those loads touched are named too: a load cannot be told from outside a file, a day
    can, and to open the files of a year costs more than to build a day.

    A relation that holds every landed row once is `once`: a repeated build meets loads that it has. One
    insert brings a load whole, so a load that is there is there whole, and some of its rows lie on those
    days. What is there is taken from the list of loads: as a condition of the rows it was asked of every
    row of the stream before the days were.
#}
{% macro is_newly_landed(stream_name, once=false) -%}
    {#
    The references stand outside the branch because dbt learns dependencies while is_incremental()
    is false.
#}
    {%- set loads = ref('stg_loads') -%}
    {%- set days = ref('stg_pending_event_dates') -%}
    {%- set pending_days -%}
        (
            select days.event_date
            from {{ days }} as days
            where days.stream_name = '{{ stream_name }}'
        )
    {%- endset -%}
    {%- if is_incremental() -%}
        load_id in (
            select loads.load_id
            from {{ loads }} as loads
            where loads.is_pending
            {%- if once %}
                except
                select held.load_id
                from {{ this }} as held
                where held.event_date in {{ pending_days }}
            {%- endif %}
        )
        and event_date in {{ pending_days }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#
    The body after the CTE `landed` of a relation of combinations: what the loads bring. What is listed
    is not listed again.
#}
{% macro not_listed_yet(columns) -%}
    select {{ columns | join(', ') }}
    from landed
    {%- if is_incremental() %}
    except
    select {{ columns | join(', ') }}
    from {{ this }}
    {%- endif %}
{%- endmacro %}

{#
    Of a staging view of a stream that every day adds to: all its rows in a full build, else those of the days
    that pending loads touched, a literal list so that no other file is opened below a view. Rows of other days
    are what they were when they were tested: a file never changes, and a copy that counts from now on lies on a
    day of its load. That a key is on two days is found in the facts, whose keys are tested as a whole.
#}
{% macro rows_newly_landed(staged, stream_name) -%}
    {%- set days = ref('stg_pending_event_dates') -%}
    {%- if not execute or flags.FULL_REFRESH -%}
        {{ staged }}
    {%- else -%}
        {%- set rows = run_query(
            "select distinct cast(event_date as " ~ dbt.type_string() ~ ") from " ~ days
            ~ " where stream_name = " ~ sql_text(stream_name) ~ " order by 1"
        ) -%}
        (
            select *
            from {{ staged }}
            where {{ is_one_of_dates('event_date', rows.columns[0].values() | list) }}
        ) as newly_landed
    {%- endif -%}
{%- endmacro %}
