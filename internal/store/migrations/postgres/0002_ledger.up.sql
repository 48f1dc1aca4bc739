-- min_version: 1
-- The ledger: one row per call, the usage summed from them, and what the replicas hold of shared accounts.

-- One call. The same call always has the same start, so (call_id, start_time) keeps it from being booked twice, which
-- on a partitioned table only a key with the partitioning column can. Prompts are NULL where they are not kept.
-- Moments are UTC without a zone, as LiteLLM's, so that SQL on the view of its name can use the indexes.
-- JSON is json and not jsonb, which takes longer to write than all the rest of a row; the view shows it as jsonb.
CREATE TABLE spend_logs (
    call_id                  text COLLATE "C" NOT NULL,
    request_id               text COLLATE "C" NOT NULL,
    call_type                text NOT NULL,
    api_key                  text COLLATE "C" NOT NULL,
    spend                    NUMERIC(38,12) NOT NULL,
    total_tokens             bigint NOT NULL,
    prompt_tokens            bigint NOT NULL,
    completion_tokens        bigint NOT NULL,
    start_time               timestamp NOT NULL,
    end_time                 timestamp NOT NULL,
    request_duration_ms      bigint NOT NULL,
    completion_start_time    timestamp,
    model                    text COLLATE "C" NOT NULL,
    model_id                 text COLLATE "C" NOT NULL,
    model_group              text COLLATE "C" NOT NULL,
    custom_llm_provider      text COLLATE "C" NOT NULL,
    api_base                 text NOT NULL,
    user_id                  text COLLATE "C" NOT NULL,
    metadata                 json,
    cache_hit                text NOT NULL,
    cache_key                text NOT NULL,
    request_tags             jsonb,
    team_id                  text COLLATE "C" NOT NULL,
    organization_id          text COLLATE "C" NOT NULL,
    end_user                 text COLLATE "C" NOT NULL,
    requester_ip_address     text NOT NULL,
    messages                 json,
    response                 json,
    proxy_server_request     json,
    session_id               text COLLATE "C" NOT NULL,
    status                   text COLLATE "C" NOT NULL,
    agent_id                 text NOT NULL,
    mcp_namespaced_tool_name text NOT NULL,
    PRIMARY KEY (call_id, start_time)
) PARTITION BY RANGE (start_time);

-- What is long is packed with lz4 where the server has it, which takes a quarter of the time of the other way.
DO $$
BEGIN
    ALTER TABLE spend_logs ALTER metadata SET COMPRESSION lz4, ALTER messages SET COMPRESSION lz4,
        ALTER response SET COMPRESSION lz4, ALTER proxy_server_request SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;

-- Partitions are months, made when they are needed. What falls into none of them (a clock far off) is kept here.
CREATE TABLE spend_logs_default PARTITION OF spend_logs DEFAULT;

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
    one           integer PRIMARY KEY CHECK (one = 1),
    pruned_before timestamptz
);
INSERT INTO ledger_state (one) VALUES (1);

-- What calls have in common that usage is told apart by. id is a hash of all other columns. Every call adds to three
-- sorts of rows or more, so that a report reads no more of them than it must: in usage to one of its key, without customer
-- and tag; in usage_models to one of its model, without whoever has called; in usage_customers to one of its customer, if
-- it has one; and in usage_tags to one for each of its tags. charges are the counters that were charged: those of tags and
-- of customers in the rows of these, all others in the row of the key.
CREATE TABLE usage_dims (
    id                  uuid PRIMARY KEY,
    api_key             text COLLATE "C" NOT NULL,
    user_id             text COLLATE "C" NOT NULL,
    team_id             text COLLATE "C" NOT NULL,
    organization_id     text COLLATE "C" NOT NULL,
    end_user            text COLLATE "C" NOT NULL,
    model               text COLLATE "C" NOT NULL,
    model_id            text COLLATE "C" NOT NULL,
    model_group         text COLLATE "C" NOT NULL,
    custom_llm_provider text COLLATE "C" NOT NULL,
    endpoint            text COLLATE "C" NOT NULL,
    tag                 text COLLATE "C" NOT NULL,
    charges             jsonb NOT NULL
);
CREATE INDEX usage_dims_api_key ON usage_dims (api_key);
CREATE INDEX usage_dims_user_id ON usage_dims (user_id) WHERE user_id <> '';
CREATE INDEX usage_dims_team_id ON usage_dims (team_id) WHERE team_id <> '';
CREATE INDEX usage_dims_end_user ON usage_dims (end_user) WHERE end_user <> '';
CREATE INDEX usage_dims_tag ON usage_dims (tag) WHERE tag <> '';

-- Sums of calls by the time of their start: slot counts quarters of an hour since 1970 (UTC), so that a day can be cut
-- in any time zone; the tables of days hold the same sums once more, slot counting days (UTC), for the long reports.
CREATE TABLE usage (
    dim            uuid NOT NULL,
    slot           integer NOT NULL,
    spend          NUMERIC(38,12) NOT NULL,
    prompt         bigint NOT NULL,
    completion     bigint NOT NULL,
    cache_read     bigint NOT NULL,
    cache_creation bigint NOT NULL,
    successful     bigint NOT NULL,
    failed         bigint NOT NULL,
    PRIMARY KEY (dim, slot)
) WITH (fillfactor = 80);
CREATE TABLE usage_days (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE usage_models (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE usage_model_days (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE usage_customers (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE usage_customer_days (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE usage_tags (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE usage_tag_days (LIKE usage INCLUDING ALL) WITH (fillfactor = 80);
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
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope  text COLLATE "C" NOT NULL,
    amount NUMERIC(38,12) NOT NULL,
    reason text NOT NULL,
    at     timestamptz NOT NULL
);
CREATE INDEX counter_corrections_scope ON counter_corrections (scope);

-- Shared accounts. A replica's leases count while it lives; one below zero is a debt, and counts as none. A rate's window
-- ends at ends_at.
CREATE TABLE replicas (
    id         text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE TABLE leases (
    account text COLLATE "C" NOT NULL,
    replica text COLLATE "C" NOT NULL,
    amount  bigint NOT NULL, -- picodollars, or calls
    PRIMARY KEY (account, replica)
) WITH (fillfactor = 70);
CREATE INDEX leases_replica ON leases (replica);
CREATE TABLE rates (
    account text COLLATE "C" PRIMARY KEY,
    used    bigint NOT NULL,
    span    bigint NOT NULL, -- length of the window, microseconds
    ends_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX rates_ends_at ON rates (ends_at);
