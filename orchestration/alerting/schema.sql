-- What alerting knew and told of each rule on a scope; part of the deployment's private store. Times are ISO 8601
-- text in UTC: times of the data, but for none.

create table if not exists alert_subjects (
    subject_key text primary key,
    known_until text not null,
    told_at text,
    -- The alert told as firing and not yet as over, as JSON.
    standing text
);
