-- Lets a role name the tables of a schema, and make its own where it may.
GRANT {{ rights | join(", ") }} ON SCHEMA {{ schema }} TO {{ role }}
