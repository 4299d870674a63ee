-- The latest valid assessment of every account as of a day, over its customers: one row per account that has any.
SELECT
  latest.account_id
  {% for name in assessments %}
  , MAX(CASE WHEN latest.indicator = :assessment_{{ name }} THEN latest.value END) AS value_{{ name }}
  , MAX(CASE WHEN latest.indicator = :assessment_{{ name }} THEN latest.assessed_on END) AS on_{{ name }}
  {% endfor %}
FROM (
  SELECT
    account.account_id,
    fact.indicator,
    fact.value,
    fact.assessed_on,
    ROW_NUMBER() OVER (
      PARTITION BY account.account_id, fact.indicator
      ORDER BY
        fact.assessed_on DESC,
        CASE WHEN fact.customer_id = account.account_id THEN 0 ELSE 1 END,
        fact.customer_id COLLATE "C"
    ) AS nth
  FROM facts.assessments AS fact
  JOIN account ON account.customer_id = fact.customer_id
  WHERE fact.indicator IN ({% for name in assessments %}:assessment_{{ name }}{{ ", " if not loop.last }}{% endfor %})
    AND fact.assessed_on <= :as_of
    AND (fact.valid_to IS NULL OR fact.valid_to >= :as_of)
    AND fact.batch_no <= :facts_batch_no
    AND (fact.superseded_in IS NULL OR fact.superseded_in > :facts_batch_no)
) AS latest
WHERE latest.nth = 1
GROUP BY latest.account_id
