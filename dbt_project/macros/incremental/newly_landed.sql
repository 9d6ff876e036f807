{#
    The filter of a relation that only grows by what loads bring: every row in a full build, else
    the rows of loads that no publication holds yet. A load stays pending until a publication, so a
    build that failed its audit is done again.
#}
{% macro is_newly_landed(loads) -%}
    {%- if is_incremental() -%}
        load_id in (select loads.load_id from {{ loads }} as loads where loads.is_pending)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#
    The body after the CTE `landed` of such a relation: what the loads bring. A repeated build meets
    loads it has seen; what is listed is not listed again.
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
