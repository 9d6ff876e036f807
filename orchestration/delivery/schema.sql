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

-- One row per notification and target of its channel; the key is stored before anything is sent. A row gets its
-- targets when it is first sent: until then the target is empty, and it stays so where a channel has only one.
create table if not exists notifications (
    notification_id integer primary key autoincrement,
    idempotency_key text not null,
    channel text not null,
    target text not null default '',
    kind text not null check (kind in ('alert', 'daily_summary', 'run_failure', 'test')),
    subject_key text not null,
    transition_at text not null,
    severity text not null check (severity in ('critical', 'warning', 'info')),
    status text not null check (status in ('firing', 'resolved', 'no_data', 'info')),
    title text not null,
    body text not null,
    payload text not null,
    state text not null
        check (state in ('pending', 'sending', 'sent', 'written', 'failed', 'parked')),
    reason text,
    attempts integer not null default 0,
    next_attempt_at text,
    queued_as_of text not null,
    settled_as_of text,
    unique (idempotency_key, target)
);

create index if not exists notifications_by_state on notifications (state, notification_id);

create index if not exists notifications_by_subject on notifications (kind, subject_key, notification_id);
