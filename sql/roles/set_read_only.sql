-- Transactions of the user read only unless they say otherwise; the missing rights stop those that do.
ALTER ROLE {{ login }} IN DATABASE {{ database }} SET default_transaction_read_only = on
