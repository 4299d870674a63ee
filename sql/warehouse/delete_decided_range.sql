-- Forgets the unpublished decisions of a run about the accounts in a range of places.
DELETE FROM work.{{ table }}
WHERE run_id = :run_id
  AND customer_id IN (SELECT account_id FROM work.{{ kept }} WHERE _place BETWEEN :first AND :last)
