-- Removes what is left of lists of another day: those of policies that are no longer there.
DELETE FROM tiering.{{ table }} WHERE as_of <> :as_of
