-- Run it as the owner of the engine's schema, with psql -v schema=duroxide -f roles.sql.
-- Before the second part, once: holystone migrate upgrade TARGET, which makes holystone's own tables.
\set ON_ERROR_STOP on

-- A role that checks, explains and stands at a gate: it reads, and nothing else.
CREATE ROLE holystone_check LOGIN;
GRANT USAGE ON SCHEMA :"schema" TO holystone_check;
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO holystone_check;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA :"schema" TO holystone_check;
ALTER DEFAULT PRIVILEGES IN SCHEMA :"schema" GRANT SELECT ON TABLES TO holystone_check;
ALTER DEFAULT PRIVILEGES IN SCHEMA :"schema" GRANT SELECT ON SEQUENCES TO holystone_check;

-- A role that repairs and takes back: it changes rows of the engine and of the journal, and can make, alter or drop nothing.
CREATE ROLE holystone_repair LOGIN;
GRANT holystone_check TO holystone_repair;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO holystone_repair;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA :"schema" TO holystone_repair;
