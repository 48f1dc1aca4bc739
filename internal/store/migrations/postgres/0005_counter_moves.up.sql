-- min_version: 1
-- Where the counters of a key have gone that got another value: calls that began under its old name end under the new one.

-- One step leads to the name in force: a move that is moved on is written anew.
CREATE TABLE counter_moves (
    from_scope text COLLATE "C" PRIMARY KEY,
    to_scope   text COLLATE "C" NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX counter_moves_to_scope ON counter_moves (to_scope);

-- When a lease was last changed: one of nothing is removed when it has been so for long.
ALTER TABLE leases ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
