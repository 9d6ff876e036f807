{#
    A query in steps, where the engine puts a CTE in place of each of its names: one that is read ten times is
    planned and computed ten times there, and those that read each other multiply: 3 GB were too few to plan
    `daily_anomalies` so.
#}

{#
    The steps of a query that begins with `with`, as {'steps': [{'name', 'query'}], 'query'}: each CTE that is read
    more than once and has work to do becomes a relation `<prefix>_<number>`, to be made before the rest. The CTEs of a CTE
    are steps likewise. Any other query has none.
#}
{% macro steps_of(query, prefix) -%}
    {%- set found = {'steps': []} -%}
    {%- set rest = _in_steps(_without_comments(query), prefix, [], found) -%}
    {{ return({'steps': found['steps'], 'query': rest}) }}
{%- endmacro %}

{#- A literal may hold what looks like a comment. -#}
{% macro _without_comments(query) -%}
    {{ return(modules.re.sub("('(?:[^'\\\\]|\\\\.|'')*')|--[^\\n]*", '\\1', query)) }}
{%- endmacro %}

{#-
    The query with its steps replaced, which are added to `found`. `around` is the CTEs in whose scope it stands, a list of
    them per level: names of an inner level hide those of an outer one, so levels are never merged.
-#}
{% macro _in_steps(query, prefix, around, found) -%}
    {%- set parts = _parts_of(query) -%}
    {%- if not parts['ctes'] -%}
        {{ return(query) }}
    {%- endif -%}
    {%- set re = modules.re -%}
    {%- set done = [] -%}
    {%- for cte in parts['ctes'] -%}
        {%- set later = parts['ctes'][loop.index:] | map(attribute='body') | join(' ') ~ ' ' ~ parts['main'] -%}
        {%- set body = cte['body'] if cte['is_recursive'] else _in_steps(cte['body'], prefix, around + [done], found) -%}
        {%- set readings = re.findall('\\b(?:from|join)\\s+' ~ cte['name'] ~ '\\b', later) | length -%}
        {%- set has_work = re.search('\\b(?:join|group by|over|distinct|union)\\b', body) is not none -%}
        {%- if readings > 1 and has_work -%}
            {%- set name = prefix ~ '_' ~ (found['steps'] | length + 1) -%}
            {%- set own = done + [dict(cte, body=body)] -%}
            {%- set step = namespace(query=_with_needed(own, 'select * from ' ~ cte['name'])) -%}
            {%- for level in around | reverse -%}
                {%- set step.query = _with_needed(level, step.query) -%}
            {%- endfor -%}
            {%- do found['steps'].append({'name': name, 'query': step.query}) -%}
            {%- do done.append(dict(
                cte, head=cte['name'] ~ ' as', body='select * from ' ~ name, is_recursive=false
            )) -%}
        {%- else -%}
            {%- do done.append(dict(cte, body=body)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(_with_needed(done, parts['main'])) }}
{%- endmacro %}

{#- The query below those of the CTEs that it reads, or that one of them does. -#}
{% macro _with_needed(ctes, query) -%}
    {%- set re = modules.re -%}
    {%- set needed = [] -%}
    {%- set read = namespace(text=query, is_recursive=false) -%}
    {%- for cte in ctes | reverse -%}
        {%- if re.search('\\b' ~ cte['name'] ~ '\\b', read.text) is not none -%}
            {%- do needed.insert(0, cte['head'] ~ ' (' ~ cte['body'] ~ ')') -%}
            {%- set read.text = read.text ~ ' ' ~ cte['body'] -%}
            {%- set read.is_recursive = read.is_recursive or cte['is_recursive'] -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not needed -%}
        {{ return(query) }}
    {%- endif -%}
    {%- set begun = 'with recursive ' if read.is_recursive else 'with ' -%}
    {%- if re.match('\\s*with\\b', query) is not none -%}
        {%- set query = 'select * from (' ~ query ~ ') as within' -%}
    {%- endif -%}
    {{ return(begun ~ needed | join(', ') ~ ' ' ~ query) }}
{%- endmacro %}

{#- The CTEs of a query, and what follows them; a CTE's head is all before its parenthesis. -#}
{% macro _parts_of(query) -%}
    {%- set re = modules.re -%}
    {%- set ctes = [] -%}
    {%- set begun = re.match('\\s*with(\\s+recursive)?\\b', query) -%}
    {%- if begun is none -%}
        {{ return({'ctes': ctes, 'main': query}) }}
    {%- endif -%}
    {%- set at = namespace(depth=0, head=begun.end(), body=0, main=none) -%}
    {%- for token in re.finditer("'(?:[^'\\\\]|\\\\.|'')*'|[()]", query) if at.main is none -%}
        {%- if token.group() == '(' -%}
            {%- if at.depth == 0 -%}
                {%- set at.body = token.end() -%}
            {%- endif -%}
            {%- set at.depth = at.depth + 1 -%}
        {%- elif token.group() == ')' -%}
            {%- set at.depth = at.depth - 1 -%}
            {%- set head = query[at.head:at.body - 1] -%}
            {%- if at.depth == 0 and re.search('\\bas\\s*$', head) is not none -%}
                {%- set name = re.match('\\s*(\\w+)', head).group(1) -%}
                {%- set body = query[at.body:token.start()] -%}
                {%- set reads_itself = re.search('\\b(?:from|join)\\s+' ~ name ~ '\\b', body) is not none -%}
                {%- do ctes.append({
                    'name': name, 'head': head | trim, 'body': body,
                    'is_recursive': begun.group(1) is not none and reads_itself,
                }) -%}
                {%- set next = re.compile('\\s*,').match(query, token.end()) -%}
                {%- if next is none -%}
                    {%- set at.main = query[token.end():] -%}
                {%- else -%}
                    {%- set at.head = next.end() -%}
                {%- endif -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({'ctes': ctes, 'main': at.main}) }}
{%- endmacro %}

{#-
    A table of the adapter, its query in steps. They are tables, for a view or a cached relation is planned whole
    wherever it is named, and are of the schema `steps` until the table stands.
-#}
{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- set query = made_in_steps(compiled_code, this.schema ~ '_' ~ this.identifier) -%}
    {%- if temporary -%}
        {{ create_temporary_view(relation, query) }}
    {%- else -%}
        create table {{ relation }}
        using parquet
        {{ partition_cols(label='partitioned by') }}
        as
        {{ get_select_subquery(query) if config.get('contract').enforced else query }}
    {%- endif -%}
{%- endmacro %}

{#- The query with its steps made; `name` tells them from those of any other. -#}
{% macro made_in_steps(query, name) -%}
    {%- set made = steps_of(query, 'steps.' ~ name) -%}
    {%- if made['steps'] -%}
        {%- do create_schema(this.incorporate(path={'schema': 'steps'})) -%}
        {%- for step in made['steps'] -%}
            {#- A build that failed has left it there. -#}
            {%- do run_query('drop table if exists ' ~ step['name']) -%}
            {%- do run_query('create table ' ~ step['name'] ~ ' using parquet as ' ~ step['query']) -%}
        {%- endfor -%}
        {%- do store_raw_result(
            'steps', message='OK', code=made['steps'] | map(attribute='name') | join(' '), rows_affected=none
        ) -%}
    {%- endif -%}
    {{ return(made['query']) }}
{%- endmacro %}

{% macro drop_steps() -%}
    {%- set made = load_result('steps') -%}
    {%- for name in (made['response'].code if made else '').split() -%}
        {%- do run_query('drop table ' ~ name) -%}
    {%- endfor -%}
{%- endmacro %}

{#- dbt calls this last of all, and there is nowhere else to say that the steps are done with; Parquet keeps no comments. -#}
{% macro spark__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- do drop_steps() -%}
{%- endmacro %}
