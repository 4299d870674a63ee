-- Loads whose extracted rows or money are not loaded, quarantined or excluded to the cent: one row each.
SELECT batch_no, entity, currency
FROM tiering.batch
WHERE extracted_rows <> loaded_rows + quarantined_rows + excluded_rows
  OR extracted_amount <> loaded_amount + quarantined_amount + excluded_amount
