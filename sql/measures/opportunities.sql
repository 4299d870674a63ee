-- Open opportunities, which are those not refused, of every account: one row per account that has any.
SELECT
  account.account_id,
  COUNT(opportunity.opportunity_id) AS open_opportunities,
  SUM(opportunity.amount) AS potential_need,
  MIN(
    CASE WHEN opportunity.expected_close_on >= :as_of THEN opportunity.expected_close_on END
  ) AS next_close_on
FROM opportunity
JOIN account ON account.customer_id = opportunity.customer_id
WHERE NOT opportunity.is_refused
GROUP BY account.account_id
