-- Reports made and the messages that bring them; part of the deployment's private store. Addresses live here
-- and in the subscription extract only. Times are ISO 8601 text in UTC, from the as-of time of a run.

create table if not exists reports (
    scope_kind text not null,
    source_name text not null,
    scope_id text not null,
    frequency text not null check (frequency in ('daily', 'weekly', 'monthly')),
    period text not null,
    as_of text not null,
    status text not null check (status in ('made', 'failed')),
    failure text,
    -- Where its files stand, relative to the reports folder, by format.
    files text not null default '{}',
    primary key (scope_kind, source_name, scope_id, frequency, period)
);

-- One row per report and recipient; the key is stored before anything is sent.
create table if not exists outbox (
    message_id integer primary key autoincrement,
    idempotency_key text not null unique,
    subscription_id text not null,
    scope_kind text not null,
    source_name text not null,
    scope_id text not null,
    frequency text not null,
    period text not null,
    recipient text not null,
    formats text not null,
    state text not null
        check (state in ('pending', 'sending', 'sent', 'written', 'failed', 'parked')),
    reason text,
    attempts integer not null default 0,
    queued_as_of text not null,
    settled_as_of text
);

create index if not exists outbox_by_state on outbox (state, message_id);
