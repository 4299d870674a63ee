-- Nobody connects to the warehouse, makes schemas or temporary tables in it, unless a line below says so.
REVOKE ALL ON DATABASE {{ database }} FROM PUBLIC
