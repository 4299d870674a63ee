-- What doctors prescribed in the months of the batch: one row per doctor and month, dated on its first day.
SELECT
    audit.partner_no AS customer_id,
    audit.audit_month AS month,
    audit.own_packs AS own_units,
    audit.rival_packs AS competitor_units,
    CASE audit.hospital_rank
        WHEN 'I' THEN '1'
        WHEN 'II' THEN '2'
        WHEN 'III' THEN '3'
    END AS hospital_level,
    CASE audit.habit
        WHEN 'FIRST' THEN 'first_choice'
        WHEN 'SECOND' THEN 'second_choice'
        WHEN 'OTHER' THEN 'other'
    END AS behaviour,
    audit.patient_count AS patients
FROM erp.prescription AS audit
WHERE audit.audit_month >= :batch_start
    AND audit.audit_month < :batch_end
