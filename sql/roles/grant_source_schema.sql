-- Lets the reader name the tables of the source.
GRANT USAGE ON SCHEMA {{ schema }} TO {{ role }}
