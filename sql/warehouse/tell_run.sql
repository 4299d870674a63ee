-- Lets the next digest tell, as a correction, a published run that nobody was to be told of.
UPDATE tiering.run
SET digest_id = NULL, is_correction = TRUE
WHERE run_id = :run_id AND status = 'published' AND digest_id = 'none'
