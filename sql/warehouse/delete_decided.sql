-- Forgets the unpublished decisions of a run.
DELETE FROM work.{{ table }} WHERE run_id = :run_id
