-- A reader of the source leaves nothing there, not even a temporary table; whoever needs them is granted TEMPORARY.
REVOKE TEMPORARY, CREATE ON DATABASE {{ database }} FROM PUBLIC
