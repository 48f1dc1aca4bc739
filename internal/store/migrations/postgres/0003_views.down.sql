-- Only what was made by us goes: a table, or a view of somebody else, stays.
DO $$
DECLARE v record;
BEGIN
    FOR v IN SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'v' AND n.nspname IN ('litellm', current_schema()) AND obj_description(c.oid, 'pg_class') = 'made by tollgate' LOOP
        EXECUTE format('DROP VIEW %I.%I', v.nspname, v.relname);
    END LOOP;
    IF NOT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('litellm')) THEN
        DROP SCHEMA IF EXISTS litellm;
    END IF;
END $$;
DROP FUNCTION tollgate_spent(counters);
DROP FUNCTION tollgate_list(jsonb);
