-- Removes what was seen on other days, of policies that are no longer looked at.
DELETE FROM tiering.credit_exposure WHERE as_of < :as_of
