-- Lets the reader read them; for less, name the tables that your SELECTs use.
GRANT SELECT ON ALL TABLES IN SCHEMA {{ schema }} TO {{ role }}
