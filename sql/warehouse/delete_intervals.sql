-- Removes the intervals that the fold has changed.
DELETE FROM tiering.{{ table }}
WHERE policy_id = :policy_id
  AND EXISTS (
    SELECT 1
    FROM work.ended_interval AS ended
    WHERE ended.customer_id = {{ table }}.customer_id AND ended.valid_from = {{ table }}.valid_from
  )
