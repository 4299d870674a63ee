-- The latest contact with every account up to a day: one row per account that has any.
SELECT account.account_id, MAX(fact.contacted_on) AS last_contact_on
FROM facts.contacts AS fact
JOIN account ON account.customer_id = fact.customer_id
WHERE fact.contacted_on <= :as_of
  AND fact.batch_no <= :facts_batch_no
  AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
GROUP BY account.account_id
