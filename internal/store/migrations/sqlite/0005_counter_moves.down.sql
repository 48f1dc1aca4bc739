DROP TABLE counter_moves;
