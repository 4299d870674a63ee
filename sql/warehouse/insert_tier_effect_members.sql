-- Whose tiers of a day are looked at, with the customers behind them as known on that day: one row per account and customer.
-- The head of an account is the customer of its own number, else the first one.
INSERT INTO work.tier_member (account_id, tier, customer_id, is_head)
WITH {% include 'measures/accounts_of_day.jinja' %}
SELECT
  spell.customer_id,
  spell.tier,
  account.customer_id,
  ROW_NUMBER() OVER (
    PARTITION BY spell.customer_id
    ORDER BY CASE WHEN account.customer_id = spell.customer_id THEN 0 ELSE 1 END, account.customer_id COLLATE "C"
  ) = 1
FROM tiering.customer_tier_history AS spell
LEFT JOIN account ON account.account_id = spell.customer_id
WHERE spell.policy_id = :policy_id
  AND spell.valid_from <= :as_of
  AND (spell.valid_to IS NULL OR spell.valid_to > :as_of)
