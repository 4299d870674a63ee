-- Notes that a digest has reported a run.
UPDATE tiering.run SET digest_id = :digest_id WHERE run_id = :run_id AND digest_id IS NULL
