-- What people judged in the batch: one row per customer, criterion and assessment.
SELECT
    score.partner_no AS customer_id,
    score.criterion AS indicator,
    score.points AS value,
    score.assessed_day AS assessed_on,
    score.assessor_no AS assessed_by,
    score.evidence_ref AS evidence,
    score.valid_until AS valid_to
FROM erp.scorecard AS score
WHERE score.assessed_day >= :batch_start
    AND score.assessed_day < :batch_end
