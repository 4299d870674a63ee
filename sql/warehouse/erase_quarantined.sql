-- Replaces a refused row by what stands for an erased one.
UPDATE tiering.quarantine
SET row_json = :tombstone
WHERE entity = :entity AND batch_no = :batch_no AND position = :position AND rule = :rule
