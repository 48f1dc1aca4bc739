-- min_version: 1
-- The process that does the work in the background: one row, held for a while.

CREATE TABLE leader (
    id     INTEGER PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
);
