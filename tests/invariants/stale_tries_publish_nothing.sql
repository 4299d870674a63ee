-- Runs that a try published though a newer one had started before it ended: one row per run.
SELECT stale.run_id, stale.attempt, newer.attempt AS newer_attempt
FROM tiering.run_attempt AS stale
JOIN tiering.run_attempt AS newer
  ON newer.run_id = stale.run_id AND newer.attempt > stale.attempt AND newer.started_at < stale.finished_at
WHERE stale.outcome = 'published'
