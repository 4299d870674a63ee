-- Removes whom an earlier try of a run asked about.
DELETE FROM tiering.approval_customer WHERE run_id = :run_id
