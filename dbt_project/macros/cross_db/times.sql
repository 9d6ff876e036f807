{#
    Times and dates. Belongs here: what engines call differently about clocks, zones and calendars.
    Stored times are naive UTC; a zone is an expression holding an IANA name.
#}

{% macro to_local_timestamp(utc_timestamp, zone) -%}
    {{ adapter.dispatch('to_local_timestamp')(utc_timestamp, zone) }}
{%- endmacro %}

{% macro duckdb__to_local_timestamp(utc_timestamp, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ utc_timestamp }}))
{%- endmacro %}

{% macro to_utc_timestamp(local_timestamp, zone) -%}
    {{ adapter.dispatch('to_utc_timestamp')(local_timestamp, zone) }}
{%- endmacro %}

{#-
    DuckDB takes the later of two instants that have one wall time: a day would begin an hour into
    itself where a clock goes back at midnight. The earlier one lies as far from the wall time as
    clocks stood three hours before the later one.
-#}
{% macro duckdb__to_utc_timestamp(local_timestamp, zone) -%}
    {%- set wall = 'cast(' ~ local_timestamp ~ ' as timestamp)' -%}
    {%- set later = "timezone('UTC', timezone(" ~ zone ~ ", " ~ wall ~ "))" -%}
    {%- set before = '(' ~ later ~ ' - to_hours(3))' -%}
    {%- set earlier = '(' ~ wall ~ ' - (' ~ to_local_timestamp(before, zone) ~ ' - ' ~ before ~ '))' -%}
    case
        when {{ to_local_timestamp(earlier, zone) }} = {{ wall }} then least({{ earlier }}, {{ later }})
        else {{ later }}
    end
{%- endmacro %}

{% macro local_date(utc_timestamp, zone) -%}
    cast({{ to_local_timestamp(utc_timestamp, zone) }} as date)
{%- endmacro %}

{% macro date_add_days(date, days) -%}
    {{ adapter.dispatch('date_add_days')(date, days) }}
{%- endmacro %}

{% macro duckdb__date_add_days(date, days) -%}
    (cast({{ date }} as date) + cast({{ days }} as integer))
{%- endmacro %}

{% macro date_add_months(date, months) -%}
    {{ adapter.dispatch('date_add_months')(date, months) }}
{%- endmacro %}

{% macro duckdb__date_add_months(date, months) -%}
    cast(cast({{ date }} as date) + to_months(cast({{ months }} as integer)) as date)
{%- endmacro %}

{% macro days_between(start_date, end_date) -%}
    {{ adapter.dispatch('days_between')(start_date, end_date) }}
{%- endmacro %}

{% macro duckdb__days_between(start_date, end_date) -%}
    (cast({{ end_date }} as date) - cast({{ start_date }} as date))
{%- endmacro %}

{% macro timestamp_add_seconds(timestamp, seconds) -%}
    {{ adapter.dispatch('timestamp_add_seconds')(timestamp, seconds) }}
{%- endmacro %}

{#-
    Through microseconds: to_seconds of a fraction goes through a binary float. As a decimal, because
    36 minutes in microseconds are more than an integer holds.
-#}
{% macro duckdb__timestamp_add_seconds(timestamp, seconds) -%}
    ({{ timestamp }} + to_microseconds(cast(cast({{ seconds }} as decimal(38, 6)) * 1000000 as bigint)))
{%- endmacro %}

{% macro timestamp_add_days(timestamp, days) -%}
    {{ adapter.dispatch('timestamp_add_days')(timestamp, days) }}
{%- endmacro %}

{% macro duckdb__timestamp_add_days(timestamp, days) -%}
    (cast({{ timestamp }} as timestamp) + to_days(cast({{ days }} as integer)))
{%- endmacro %}

{% macro seconds_between(start_at, end_at) -%}
    {{ adapter.dispatch('seconds_between')(start_at, end_at) }}
{%- endmacro %}

{#- A product of decimals, because a division would give a binary float. -#}
{% macro duckdb__seconds_between(start_at, end_at) -%}
    cast(
        (epoch_us({{ end_at }}) - epoch_us({{ start_at }})) * cast(0.000001 as decimal(7, 6))
        as decimal(18, 6)
    )
{%- endmacro %}

{% macro ms_between(start_at, end_at) -%}
    {{ adapter.dispatch('ms_between')(start_at, end_at) }}
{%- endmacro %}

{% macro duckdb__ms_between(start_at, end_at) -%}
    ((epoch_us({{ end_at }}) - epoch_us({{ start_at }})) // 1000)
{%- endmacro %}

{% macro timestamp_floor(timestamp, seconds) -%}
    {{ adapter.dispatch('timestamp_floor')(timestamp, seconds) }}
{%- endmacro %}

{% macro duckdb__timestamp_floor(timestamp, seconds) -%}
    time_bucket(to_seconds({{ seconds }}), {{ timestamp }}, timestamp '1970-01-01 00:00:00')
{%- endmacro %}

{% macro date_of_trunc(part, value) -%}
    cast({{ dbt.date_trunc(part, value) }} as date)
{%- endmacro %}

{% macro iso_weekday(date) -%}
    {{ adapter.dispatch('iso_weekday')(date) }}
{%- endmacro %}

{% macro duckdb__iso_weekday(date) -%}
    isodow({{ date }})
{%- endmacro %}

{% macro iso_week(date) -%}
    {{ adapter.dispatch('iso_week')(date) }}
{%- endmacro %}

{% macro duckdb__iso_week(date) -%}
    week({{ date }})
{%- endmacro %}

{% macro iso_year(date) -%}
    {{ adapter.dispatch('iso_year')(date) }}
{%- endmacro %}

{% macro duckdb__iso_year(date) -%}
    isoyear({{ date }})
{%- endmacro %}

{% macro format_date(date) -%}
    {{ adapter.dispatch('format_date')(date) }}
{%- endmacro %}

{% macro duckdb__format_date(date) -%}
    strftime({{ date }}, '%Y-%m-%d')
{%- endmacro %}

{% macro format_month(date) -%}
    {{ adapter.dispatch('format_month')(date) }}
{%- endmacro %}

{% macro duckdb__format_month(date) -%}
    strftime({{ date }}, '%Y-%m')
{%- endmacro %}
