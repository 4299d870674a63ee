-- Contacts in the batch: one row per call, visit or message.
SELECT
    activity.activity_no AS contact_id,
    activity.partner_no AS customer_id,
    activity.activity_day AS contacted_on,
    activity.medium AS channel,
    CASE WHEN activity.initiated_by_us THEN 'outbound' ELSE 'inbound' END AS direction,
    activity.result AS outcome
FROM erp.crm_contact AS activity
WHERE activity.activity_day >= :batch_start
    AND activity.activity_day < :batch_end
