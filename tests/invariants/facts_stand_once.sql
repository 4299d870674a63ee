-- Keys of which more than one version stands: one row each.
SELECT 'sales' AS entity, line_id AS key FROM facts.sales WHERE superseded_in IS NULL GROUP BY line_id HAVING COUNT(*) > 1
UNION ALL
SELECT 'receivables', document_id FROM facts.receivables WHERE superseded_in IS NULL
GROUP BY document_id HAVING COUNT(*) > 1
UNION ALL
SELECT 'payments', payment_id FROM facts.payments WHERE superseded_in IS NULL GROUP BY payment_id HAVING COUNT(*) > 1
UNION ALL
SELECT 'customers', customer_id FROM facts.customers WHERE superseded_in IS NULL
GROUP BY customer_id, holds_from HAVING COUNT(*) > 1
