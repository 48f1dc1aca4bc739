-- min_version: 1
-- The objects of account, one table per kind. doc is the whole object as its JSON; an older version leaves the fields of a
-- newer one in it. scope is the object's counter of money, "" where a kind has none. What is searched has an index on
-- the expression that find.go writes for it.

-- The cast of text to timestamptz depends on the session only where the text names no zone; ours always do.
CREATE FUNCTION tollgate_moment(text) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT $1::timestamptz $$;

CREATE TABLE keys (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE teams (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE users (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE organizations (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE customers (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE team_members (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE org_members (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE budgets (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE tags (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE models (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE credentials (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE settings (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE access_groups (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE object_permissions (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE retired_keys (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE deleted_keys (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE deleted_teams (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE jwt_key_mappings (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    scope      text COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE UNIQUE INDEX keys_key_alias ON keys ((doc->>'key_alias')) WHERE doc->>'key_alias' <> '';
CREATE INDEX keys_key_id ON keys ((doc->>'key_id'));
CREATE INDEX keys_team_id ON keys ((doc->>'team_id'));
CREATE INDEX keys_user_id ON keys ((doc->>'user_id'));
CREATE INDEX keys_organization_id ON keys ((doc->>'organization_id'));
CREATE INDEX keys_budget_id ON keys ((doc->>'budget_id'));
CREATE INDEX keys_created_at ON keys (created_at, id);
CREATE INDEX keys_expires ON keys (tollgate_moment(doc->>'expires')) WHERE doc->>'expires' IS NOT NULL;
CREATE INDEX keys_key_rotation_at ON keys (tollgate_moment(doc->>'key_rotation_at')) WHERE doc->>'key_rotation_at' IS NOT NULL;
CREATE INDEX teams_team_alias ON teams ((doc->>'team_alias'));
CREATE INDEX teams_organization_id ON teams ((doc->>'organization_id'));
CREATE INDEX teams_created_at ON teams (created_at, id);
CREATE INDEX users_user_email ON users (lower(doc->>'user_email'));
CREATE UNIQUE INDEX users_sso_user_id ON users ((doc->>'sso_user_id')) WHERE doc->>'sso_user_id' <> '';
CREATE INDEX users_organization_id ON users ((doc->>'organization_id'));
CREATE INDEX users_created_at ON users (created_at, id);
CREATE INDEX organizations_budget_id ON organizations ((doc->>'budget_id'));
CREATE INDEX customers_budget_id ON customers ((doc->>'budget_id'));
CREATE INDEX customers_created_at ON customers (created_at, id);
CREATE INDEX team_members_team_id ON team_members ((doc->>'team_id'));
CREATE INDEX team_members_user_id ON team_members ((doc->>'user_id'));
CREATE INDEX team_members_budget_id ON team_members ((doc->>'budget_id'));
CREATE INDEX org_members_organization_id ON org_members ((doc->>'organization_id'));
CREATE INDEX org_members_user_id ON org_members ((doc->>'user_id'));
CREATE INDEX org_members_budget_id ON org_members ((doc->>'budget_id'));
CREATE INDEX tags_budget_id ON tags ((doc->>'budget_id'));
CREATE INDEX models_model_name ON models ((doc->>'model_name'));
CREATE INDEX retired_keys_active_token_id ON retired_keys ((doc->>'active_token_id'));
CREATE INDEX retired_keys_revoke_at ON retired_keys (tollgate_moment(doc->>'revoke_at'));
CREATE INDEX deleted_keys_token ON deleted_keys ((doc->>'token'));
CREATE INDEX deleted_keys_created_at ON deleted_keys (created_at, id);
CREATE INDEX deleted_teams_team_id ON deleted_teams ((doc->>'team_id'));
CREATE UNIQUE INDEX jwt_key_mappings_claim ON jwt_key_mappings ((doc->>'jwt_claim_name'), (doc->>'jwt_claim_value'));
CREATE INDEX jwt_key_mappings_token ON jwt_key_mappings ((doc->>'token'));

-- What was spent on each scope: the one number that is shown and enforced.
CREATE TABLE counters (
    scope      text COLLATE "C" PRIMARY KEY,
    spent      NUMERIC(38,12) NOT NULL DEFAULT 0, -- since the last reset
    total      NUMERIC(38,12) NOT NULL DEFAULT 0, -- ever
    duration   text NOT NULL DEFAULT '', -- "30d"; "" = never starts anew
    reset_at   timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE INDEX counters_reset_at ON counters (reset_at) WHERE reset_at IS NOT NULL;

CREATE TABLE audit (
    id         text COLLATE "C" PRIMARY KEY,
    doc        jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX audit_created_at ON audit (created_at, id);
CREATE INDEX audit_object_id ON audit ((doc->>'object_id'));

-- What the replicas must read anew, in the order of the commits, and up to where it was pruned.
CREATE TABLE changes (
    seq  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL, -- "" = id is a scope
    id   text NOT NULL,
    at   timestamptz NOT NULL
);
CREATE TABLE changes_pruned (
    one  integer PRIMARY KEY CHECK (one = 1),
    seq  bigint NOT NULL
);
INSERT INTO changes_pruned (one, seq) VALUES (1, 0);
