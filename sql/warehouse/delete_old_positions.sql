-- Removes positions of days that are neither the latest, nor the end of a month, nor days on which limits were decided.
DELETE FROM tiering.receivable_position
WHERE as_of < (SELECT MAX(as_of) FROM tiering.receivable_position)
  AND as_of <> LAST_DAY(as_of)
  AND as_of NOT IN (SELECT as_of FROM tiering.credit_limit)
