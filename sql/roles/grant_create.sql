-- The owner makes the schemas.
GRANT CREATE ON DATABASE {{ database }} TO {{ role }}
