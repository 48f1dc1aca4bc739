ALTER TABLE leases DROP COLUMN changed_at;
DROP TABLE counter_moves;
