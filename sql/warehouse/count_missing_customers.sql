-- What a load found of customers that the source does not name: one row.
SELECT
  COUNT(CASE WHEN returned_on IS NULL AND gone_on IS NULL THEN 1 END) AS carried,
  COUNT(CASE WHEN returned_on IS NULL AND gone_in = :batch_no THEN 1 END) AS gone,
  COUNT(CASE WHEN returned_in = :batch_no THEN 1 END) AS returned,
  COUNT(CASE WHEN missing_in = :batch_no OR gone_in = :batch_no OR returned_in = :batch_no THEN 1 END) AS changed
FROM tiering.missing_customer
