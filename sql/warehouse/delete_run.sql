-- Removes the ledger row of a run that is not published, before it is written anew.
DELETE FROM tiering.run WHERE run_id = :run_id AND status <> 'published'
