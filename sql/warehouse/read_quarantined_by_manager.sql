-- Rows refused by the loads since the last digest, by account manager: one row per manager, entity and rule.
-- `published_before`: since the last digest before the publications of that instant; empty: since the last one.
SELECT customer.account_manager_id, quarantine.entity, quarantine.rule, COUNT(*) AS refused_rows
FROM tiering.quarantine AS quarantine
LEFT JOIN {% include 'warehouse/latest_customer.jinja' %} AS customer ON customer.customer_id = quarantine.customer_id
WHERE quarantine.superseded_in IS NULL
  AND quarantine.batch_no <= :newest_batch_no
  AND quarantine.batch_no > (
    SELECT COALESCE(MAX(run.facts_batch_no), 0)
    FROM tiering.run AS run
    WHERE run.digest_id IS NOT NULL
      AND run.digest_id <> 'none'
      AND NOT COALESCE(run.is_correction, FALSE)
      AND (CAST(:published_before AS TIMESTAMPTZ) IS NULL OR run.published_at < CAST(:published_before AS TIMESTAMPTZ))
  )
GROUP BY customer.account_manager_id, quarantine.entity, quarantine.rule
