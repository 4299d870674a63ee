-- What the customers of every tier did in a window that ends on as_of: one row per tier and measure.
-- The parts are those of the measures, so that a sale or an event counts as it does in a policy.
{% import 'measures/exact.jinja' as exact %}
INSERT INTO work.tier_value (side, tier, measure, value)
WITH departed AS (
  {% include 'measures/departed.sql' %}
),
known_customer AS (
  {% include 'measures/known_customer.sql' %}
),
account AS (
  SELECT account_id, tier, customer_id, is_head FROM work.tier_member
),
sales_line AS (
  {% include 'measures/sales_line.sql' %}
),
service_event AS (
  {% include 'measures/service_event.sql' %}
),
bought AS (
  SELECT
    account_id,
    SUM(net_amount) AS net_sales,
    COUNT(DISTINCT CASE WHEN is_purchase THEN document_id END) AS orders
  FROM sales_line
  WHERE sold_on > :after_day
  GROUP BY account_id
),
served AS (
  SELECT
    account.account_id,
    COUNT(CASE WHEN service_event.kind = 'complaint' THEN 1 END) AS complaints,
    SUM(service_event.satisfaction) AS satisfaction,
    COUNT(service_event.satisfaction) AS satisfied
  FROM service_event
  JOIN account ON account.customer_id = service_event.customer_id
  WHERE service_event.opened_on > :after_day
  GROUP BY account.account_id
),
answered AS (
  SELECT account.account_id, SUM(fact.score) AS score, COUNT(fact.score) AS scores
  FROM facts.surveys AS fact
  JOIN account ON account.customer_id = fact.customer_id
  WHERE fact.answered_on > :after_day
    AND fact.answered_on <= :as_of
    AND fact.batch_no <= :facts_batch_no
    AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
  GROUP BY account.account_id
),
tier AS (
  SELECT tier
  FROM tiering.tier_definition
  WHERE policy_id = :policy_id AND policy_version = :policy_version
  UNION
  SELECT tier
  FROM account
),
total AS (
  SELECT
    tier.tier,
    COALESCE(SUM(bought.net_sales), 0) AS net_sales,
    COALESCE(SUM(bought.orders), 0) AS orders,
    COUNT(CASE WHEN bought.orders > 0 THEN 1 END) AS buyers,
    COALESCE(SUM(served.complaints), 0) AS complaints,
    COALESCE(SUM(served.satisfaction), 0) AS satisfaction,
    COALESCE(SUM(served.satisfied), 0) AS satisfied,
    COALESCE(SUM(answered.score), 0) AS score,
    COALESCE(SUM(answered.scores), 0) AS scores,
    COUNT(CASE WHEN known_customer.status = 'left' THEN 1 END) AS gone
  FROM tier
  LEFT JOIN account ON account.tier = tier.tier AND account.is_head
  LEFT JOIN known_customer ON known_customer.customer_id = account.customer_id
  LEFT JOIN bought ON bought.account_id = account.account_id
  LEFT JOIN served ON served.account_id = account.account_id
  LEFT JOIN answered ON answered.account_id = account.account_id
  GROUP BY tier.tier
),
weighed AS (
  SELECT
    tier,
    net_sales,
    orders,
    buyers,
    complaints,
    satisfaction,
    satisfied,
    score,
    scores,
    gone,
    SUM(net_sales) OVER () AS all_sales
  FROM total
)
SELECT CAST(:side AS TEXT), tier, 'net_sales', CAST(net_sales AS DECIMAL(38, 18))
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'sales_share', {{ exact.long_ratio("net_sales", "all_sales") }}
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'order_count', CAST(orders AS DECIMAL(38, 18))
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'buying_customers', CAST(buyers AS DECIMAL(38, 18))
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'complaint_count', CAST(complaints AS DECIMAL(38, 18))
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'average_satisfaction', {{ exact.long_ratio("satisfaction", "satisfied", 8) }}
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'average_survey_score', {{ exact.long_ratio("score", "scores", 8) }}
FROM weighed
UNION ALL
SELECT CAST(:side AS TEXT), tier, 'left_customers', CAST(gone AS DECIMAL(38, 18))
FROM weighed
