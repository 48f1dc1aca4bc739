-- min_version: 1
-- The ledger: one row per call, and the usage summed from them.

-- One call. Its call_id is unique: the same call always has the same start. Prompts are NULL where they are not kept.
-- Moments are Unix microseconds, money is picodollars.
CREATE TABLE spend_logs (
    call_id                  TEXT NOT NULL,
    request_id               TEXT NOT NULL,
    call_type                TEXT NOT NULL,
    api_key                  TEXT NOT NULL,
    spend                    INTEGER NOT NULL,
    total_tokens             INTEGER NOT NULL,
    prompt_tokens            INTEGER NOT NULL,
    completion_tokens        INTEGER NOT NULL,
    start_time               INTEGER NOT NULL,
    end_time                 INTEGER NOT NULL,
    request_duration_ms      INTEGER NOT NULL,
    completion_start_time    INTEGER,
    model                    TEXT NOT NULL,
    model_id                 TEXT NOT NULL,
    model_group              TEXT NOT NULL,
    custom_llm_provider      TEXT NOT NULL,
    api_base                 TEXT NOT NULL,
    user_id                  TEXT NOT NULL,
    metadata                 TEXT,
    cache_hit                TEXT NOT NULL,
    cache_key                TEXT NOT NULL,
    request_tags             TEXT,
    team_id                  TEXT NOT NULL,
    organization_id          TEXT NOT NULL,
    end_user                 TEXT NOT NULL,
    requester_ip_address     TEXT NOT NULL,
    messages                 TEXT,
    response                 TEXT,
    proxy_server_request     TEXT,
    session_id               TEXT NOT NULL,
    status                   TEXT NOT NULL,
    agent_id                 TEXT NOT NULL,
    mcp_namespaced_tool_name TEXT NOT NULL,
    PRIMARY KEY (call_id, start_time)
) STRICT;

-- Most columns are empty in most rows of some installation: what is empty is not indexed.
CREATE INDEX spend_logs_start_time ON spend_logs (start_time);
CREATE INDEX spend_logs_request_id ON spend_logs (request_id);
CREATE INDEX spend_logs_api_key ON spend_logs (api_key, start_time);
CREATE INDEX spend_logs_user_id ON spend_logs (user_id, start_time) WHERE user_id <> '';
CREATE INDEX spend_logs_team_id ON spend_logs (team_id, start_time) WHERE team_id <> '';
CREATE INDEX spend_logs_end_user ON spend_logs (end_user, start_time) WHERE end_user <> '';
CREATE INDEX spend_logs_session_id ON spend_logs (session_id) WHERE session_id <> call_id;
CREATE INDEX spend_logs_model_group ON spend_logs (model_group, start_time);
CREATE INDEX spend_logs_failed ON spend_logs (start_time) WHERE status = 'failure';

-- Rows that began before pruned_before are gone, by retention.
CREATE TABLE ledger_state (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    pruned_before INTEGER
) STRICT;
INSERT INTO ledger_state (one) VALUES (1);

-- What calls have in common that usage is told apart by. id is a hash of all other columns. Every call adds to three
-- sorts of rows or more, so that a report reads no more of them than it must: in usage to one of its key, without customer
-- and tag; in usage_models to one of its model, without whoever has called; in usage_customers to one of its customer, if
-- it has one; and in usage_tags to one for each of its tags. charges are the counters that were charged: those of tags and
-- of customers in the rows of these, all others in the row of the key.
CREATE TABLE usage_dims (
    id                  TEXT PRIMARY KEY,
    api_key             TEXT NOT NULL,
    user_id             TEXT NOT NULL,
    team_id             TEXT NOT NULL,
    organization_id     TEXT NOT NULL,
    end_user            TEXT NOT NULL,
    model               TEXT NOT NULL,
    model_id            TEXT NOT NULL,
    model_group         TEXT NOT NULL,
    custom_llm_provider TEXT NOT NULL,
    endpoint            TEXT NOT NULL,
    tag                 TEXT NOT NULL,
    charges             TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_dims_api_key ON usage_dims (api_key);
CREATE INDEX usage_dims_user_id ON usage_dims (user_id) WHERE user_id <> '';
CREATE INDEX usage_dims_team_id ON usage_dims (team_id) WHERE team_id <> '';
CREATE INDEX usage_dims_end_user ON usage_dims (end_user) WHERE end_user <> '';
CREATE INDEX usage_dims_tag ON usage_dims (tag) WHERE tag <> '';

-- Sums of calls by the time of their start: slot counts quarters of an hour since 1970 (UTC), so that a day can be cut
-- in any time zone; the tables of days hold the same sums once more, slot counting days (UTC), for the long reports.
CREATE TABLE usage (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_days (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_models (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_model_days (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_customers (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_customer_days (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_tags (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_tag_days (
    dim            TEXT NOT NULL,
    slot           INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_creation INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    PRIMARY KEY (dim, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_slot ON usage (slot);
CREATE INDEX usage_days_slot ON usage_days (slot);
CREATE INDEX usage_models_slot ON usage_models (slot);
CREATE INDEX usage_model_days_slot ON usage_model_days (slot);
CREATE INDEX usage_customers_slot ON usage_customers (slot);
CREATE INDEX usage_customer_days_slot ON usage_customer_days (slot);
CREATE INDEX usage_tags_slot ON usage_tags (slot);
CREATE INDEX usage_tag_days_slot ON usage_tag_days (slot);

-- What a counter's total has been given or has lost other than by a call: by moves, by imports. The total of a counter is
-- the usage that was charged to it and the sum of these.
CREATE TABLE counter_corrections (
    id     INTEGER PRIMARY KEY,
    scope  TEXT NOT NULL,
    amount INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
CREATE INDEX counter_corrections_scope ON counter_corrections (scope);
