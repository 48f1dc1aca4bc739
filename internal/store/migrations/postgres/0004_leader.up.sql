-- min_version: 1
-- The replica that does the work in the background for all: one row, held for a while.

CREATE TABLE leader (
    id     integer PRIMARY KEY,
    holder text NOT NULL,
    until  timestamptz NOT NULL
);
