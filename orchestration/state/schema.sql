-- The private store: what this deployment did. Nothing here is published as it is; `meta` holds a snapshot
-- without addresses. Times are ISO 8601 text in UTC and come from the run's as-of time, never from a clock.

create table if not exists runs (
    run_id integer primary key,
    run_key text not null unique,
    command text not null,
    as_of text not null,
    status text not null check (status in ('running', 'succeeded', 'failed', 'nothing new')),
    failure text,
    counts text not null default '{}'
);

create table if not exists publications (
    publication_id integer primary key,
    run_id integer not null references runs (run_id),
    as_of text not null,
    code_fingerprint text not null,
    is_complete integer not null
);

-- Which loads a publication holds; what the ledger lists beyond the last publication is pending.
create table if not exists publication_loads (
    publication_id integer not null references publications (publication_id),
    load_id text not null,
    primary key (publication_id, load_id)
);

create table if not exists audits (
    run_id integer not null references runs (run_id),
    check_name text not null,
    model_name text,
    status text not null,
    failures integer,
    message text,
    primary key (run_id, check_name)
);

-- What this state folder says of itself: development or production, and a digest of the salt of its user ids.
create table if not exists home_marks (
    mark text primary key,
    value text not null
);
