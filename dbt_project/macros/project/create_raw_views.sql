{#
    The raw layer: one view per native stream over exactly the lake files that the ledger lists, and
    one view per run input. A file that no ledger entry names does not exist for dbt, whatever lies
    in the folder.

    Runs at the start of every dbt command that executes nodes. Which streams there are is read from
    the source definition (models/staging/_raw__sources.yml), so a new stream is declared in one
    place.
#}
{% macro create_raw_views() %}
    {% if execute %}
        {{ return(adapter.dispatch('create_raw_views')()) }}
    {% endif %}
{% endmacro %}

{% macro duckdb__create_raw_views() %}
    {%- set home = env_var('AGENTMART_HOME', '../data') -%}
    {%- set inputs = home ~ '/warehouse/inputs' -%}
    {%- set file_list = inputs ~ '/lake_files.parquet' -%}
    {%- set found = run_query("select count(*) from glob(" ~ sql_text(file_list) ~ ")") -%}
    {%- if found.columns[0].values()[0] == 0 -%}
        {{ exceptions.raise_compiler_error(
            "run inputs: " ~ file_list ~ " does not exist; start the build with `agentmart run`, "
            ~ "which writes it, or set AGENTMART_HOME to a home that has been built"
        ) }}
    {%- endif -%}

    {%- set listed = run_query(
        "select stream_name, path, array_to_string(excluded_load_ids, ' ') from read_parquet("
        ~ sql_text(file_list) ~ ") order by stream_name, event_date, path"
    ) -%}
    {#-
        Rows of a merged file may belong to loads that do not count any more. Written out and not by sql_text, which
        looks up an engine's own each time: a second for the 13,000 files of three years.
    -#}
    {%- set files_by_stream, parts_by_stream = {}, {} -%}
    {%- for row in listed.rows -%}
        {%- set path = "'" ~ row[1] | replace("'", "''") ~ "'" -%}
        {%- do files_by_stream.setdefault(row[0], []) -%}
        {%- do parts_by_stream.setdefault(row[0], []) -%}
        {%- if row[2] -%}
            {%- set excluded = [] -%}
            {%- for load_id in row[2].split(' ') -%}
                {%- do excluded.append(sql_text(load_id)) -%}
            {%- endfor -%}
            {%- do parts_by_stream[row[0]].append(
                raw_rows_of([path])
                ~ " where load_id not in (" ~ excluded | join(', ') ~ ")"
            ) -%}
        {%- else -%}
            {%- do files_by_stream[row[0]].append(path) -%}
        {%- endif -%}
    {%- endfor -%}

    {%- set statements = ["create schema if not exists raw"] -%}
    {%- for node in graph.sources.values() if node.source_name == 'raw' -%}
        {%- set view = "create or replace view raw." ~ node.name ~ " as select * " -%}
        {%- if node.config.meta.get('is_run_input') -%}
            {%- do statements.append(
                view ~ "from read_parquet(" ~ sql_text(inputs ~ '/' ~ node.name ~ '.parquet') ~ ")"
            ) -%}
        {%- elif node.name in files_by_stream -%}
            {%- set parts = parts_by_stream[node.name] -%}
            {%- if files_by_stream[node.name] -%}
                {%- do parts.insert(0, raw_rows_of(files_by_stream[node.name])) -%}
            {%- endif -%}
            {%- do statements.append(
                "create or replace view raw." ~ node.name ~ " as " ~ parts | join(' union all ')
            ) -%}
        {%- else -%}
            {%- do statements.append(
                view ~ ", cast(null as date) as event_date from read_parquet("
                ~ sql_text(home ~ '/lake/raw/' ~ node.name ~ '/_empty.parquet') ~ ")"
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do run_query(statements | join(';\n')) -%}
{% endmacro %}


{#
    A stream is a folder of Parquet files, of which those that the ledger lists exist for dbt; a query for some dates opens
    the folders of those dates alone. The folder is a table, for of one that is named by its path every reader would list
    the files and read a footer anew. A short list is in the view, which spares each reader a join; a long one would have to
    be planned by each. A stream without a file has a typed empty one among the inputs.
#}
{% macro spark__create_raw_views() %}
    {%- set home = env_var('AGENTMART_HOME', '../data') -%}
    {%- set inputs = home ~ '/warehouse/inputs' -%}
    {%- do create_schema(api.Relation.create(schema='raw')) -%}
    {%- do spark_raw_table(
        'lake_files', "as select * from parquet.`" ~ inputs ~ "/lake_files.parquet`"
    ) -%}
    {%- set listed = run_query(
        "select stream_name, count_if(array_size(excluded_load_ids) > 0) as cut_count,"
        ~ " case when count(*) <= 300 then concat_ws(' ', collect_list("
        ~ "concat(cast(event_date as string), '/', substring_index(path, '/', -1)))) end as files"
        ~ " from raw.lake_files group by stream_name"
    ) -%}
    {%- set listed_by_stream = {} -%}
    {%- for row in listed.rows -%}
        {%- do listed_by_stream.update({row[0]: row}) -%}
    {%- endfor -%}
    {%- for node in graph.sources.values() if node.source_name == 'raw' and node.name != 'lake_files' -%}
        {%- set landed = node.name ~ '__landed' -%}
        {%- set view = "create or replace view raw." ~ node.name ~ " as select landed.* from raw." ~ landed ~ " as landed" -%}
        {%- set row = listed_by_stream.get(node.name) -%}
        {%- if node.config.meta.get('is_run_input') -%}
            {%- do spark_raw_table(
                node.name, "as select * from parquet.`" ~ inputs ~ "/" ~ node.name ~ ".parquet`"
            ) -%}
        {%- elif row is none -%}
            {%- do spark_raw_table(
                landed,
                "as select *, cast(null as date) as event_date from parquet.`"
                ~ inputs ~ "/" ~ node.name ~ ".empty.parquet`"
            ) -%}
            {%- do run_query(view) -%}
        {%- else -%}
            {%- do spark_raw_table(landed, "location " ~ sql_text(home ~ '/lake/raw/' ~ node.name)) -%}
            {%- do run_query("msck repair table raw." ~ landed) -%}
            {%- if row['cut_count'] or not row['files'] -%}
                {%- do run_query(
                    view ~ " inner join raw.lake_files as files"
                    ~ " on files.stream_name = " ~ sql_text(node.name)
                    ~ " and files.event_date = landed.event_date"
                    ~ " and substring_index(files.path, '/', -1) = landed._metadata.file_name"
                    ~ " and not array_contains(files.excluded_load_ids, landed.load_id)"
                ) -%}
            {%- else -%}
                {%- set names = [] -%}
                {%- for name in row['files'].split(' ') -%}
                    {%- do names.append(sql_text(name)) -%}
                {%- endfor -%}
                {%- do run_query(
                    view ~ " where concat(cast(landed.event_date as string), '/', landed._metadata.file_name) in ("
                    ~ names | join(', ') ~ ")"
                ) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{#- Made anew: files may have come or gone since. Dropping a table that has a location leaves its files. -#}
{% macro spark_raw_table(name, content) %}
    {%- do run_query("drop table if exists raw." ~ name) -%}
    {%- do run_query("create table raw." ~ name ~ " using parquet " ~ content) -%}
{% endmacro %}

{# A select of the rows of lake files, given as SQL texts. #}
{% macro raw_rows_of(files) %}
    {{- return(
        "select * from read_parquet([" ~ files | join(', ')
        ~ "], hive_partitioning = true, hive_types = {'event_date': date})"
    ) -}}
{% endmacro %}
