-- Grants what sql/roles/rights.yaml says of the table.
GRANT {{ rights | join(", ") }} ON TABLE {{ table }} TO {{ role }}
