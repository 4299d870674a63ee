-- Whether the parsed tables hold a batch that passed validation: one row.
SELECT COUNT(*) AS validations FROM work.validated WHERE batch_id = :batch_id
