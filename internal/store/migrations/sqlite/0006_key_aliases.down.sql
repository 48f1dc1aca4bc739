DROP TABLE key_aliases;
