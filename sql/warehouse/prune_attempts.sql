-- Counts, or removes, tries that began before an instant; the newest try of every run stays: its number is the fence.
{{ "SELECT COUNT(*) AS pruned_rows" if counts else "DELETE" }} FROM tiering.run_attempt
WHERE started_at < :instant
  AND EXISTS (
    SELECT 1
    FROM tiering.run_attempt AS newer
    WHERE newer.run_id = run_attempt.run_id AND newer.attempt > run_attempt.attempt
  )
