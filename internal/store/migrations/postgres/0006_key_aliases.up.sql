-- min_version: 1
-- The aliases that the keys of rows had: rows are looked for by a part of one, and each alias is there once.
CREATE TABLE key_aliases (
    api_key text COLLATE "C" NOT NULL,
    alias   text NOT NULL,
    PRIMARY KEY (api_key, alias)
);
INSERT INTO key_aliases (api_key, alias)
SELECT DISTINCT api_key, metadata->>'user_api_key_alias' FROM spend_logs WHERE metadata->>'user_api_key_alias' <> '';
