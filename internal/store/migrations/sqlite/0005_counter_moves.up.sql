-- min_version: 1
-- Where the counters of a key have gone that got another value: calls that began under its old name end under the new one.

-- One step leads to the name in force: a move that is moved on is written anew.
CREATE TABLE counter_moves (
    from_scope TEXT PRIMARY KEY NOT NULL,
    to_scope   TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counter_moves_to_scope ON counter_moves (to_scope);
