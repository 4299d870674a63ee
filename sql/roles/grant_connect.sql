-- Lets these roles into the database.
GRANT CONNECT ON DATABASE {{ database }} TO {{ roles | join(", ") }}
