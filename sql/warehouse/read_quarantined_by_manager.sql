-- Rows refused by the loads since the last digest, by account manager: one row per manager, entity and rule.
SELECT customer.account_manager_id, quarantine.entity, quarantine.rule, COUNT(*) AS refused_rows
FROM tiering.quarantine AS quarantine
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = quarantine.customer_id
WHERE quarantine.superseded_in IS NULL
  AND quarantine.batch_no <= :newest_batch_no
  AND quarantine.batch_no > (
    SELECT COALESCE(MAX(run.facts_batch_no), 0)
    FROM tiering.run AS run
    WHERE run.digest_id IS NOT NULL AND run.digest_id <> 'none'
  )
GROUP BY customer.account_manager_id, quarantine.entity, quarantine.rule
