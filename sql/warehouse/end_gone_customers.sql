-- Lets the customers be gone that enough complete extracts in a row did not name.
UPDATE tiering.missing_customer
SET gone_on = :extracted_on, gone_in = :batch_no
WHERE returned_on IS NULL AND gone_on IS NULL AND extracts >= :absent_extracts
