-- Customers that a row may refer to: one row per customer of this batch that no rule refused, or known before.
INSERT INTO work.known_customer (customer_id)
SELECT parsed.customer_id
FROM work.parsed_customers AS parsed
WHERE NOT EXISTS (
  SELECT 1 FROM work.refused AS refused WHERE refused.entity = 'customers' AND refused.position = parsed.position
)
UNION
SELECT standing.customer_id
FROM facts.customers AS standing
WHERE standing.superseded_in IS NULL
