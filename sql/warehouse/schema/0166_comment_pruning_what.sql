-- Measures are pruned too.
COMMENT ON COLUMN tiering.pruning.what IS 'decisions (with exclusions), components, landing, attempts, mails (bodies), quarantine (rows as the source said them) or measures'
