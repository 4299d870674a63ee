-- Gives a member the rights of a role.
GRANT {{ role }} TO {{ member }}
