-- Prescriptions of every account, of the months that began up to a day: one row per account that has any.
SELECT
  fact.account_id,
  MAX(CASE WHEN fact.nth_level = 1 THEN fact.hospital_level END) AS hospital_level,
  MAX(CASE WHEN fact.nth_behaviour = 1 THEN fact.behaviour END) AS behaviour,
  SUM(CASE WHEN fact.nth_patients = 1 THEN fact.patients END) AS patients
  {% for window in windows %}
  {% set inside = "fact.month > :start_" ~ window %}
  , COUNT(CASE WHEN {{ inside }} THEN 1 END) AS months__{{ window }}
  , SUM(CASE WHEN {{ inside }} THEN fact.own_units END) AS own_units__{{ window }}
  , CASE
    WHEN COUNT(CASE WHEN {{ inside }} AND fact.competitor_units IS NULL THEN 1 END) = 0
    THEN SUM(CASE WHEN {{ inside }} THEN fact.competitor_units END)
  END AS competitor_units__{{ window }}
  {% endfor %}
FROM (
  SELECT
    account.account_id,
    stated.month,
    stated.own_units,
    stated.competitor_units,
    stated.hospital_level,
    stated.behaviour,
    stated.patients,
    ROW_NUMBER() OVER (
      PARTITION BY account.account_id
      ORDER BY
        CASE WHEN stated.hospital_level IS NULL THEN 1 ELSE 0 END,
        stated.month DESC,
        stated.customer_id COLLATE "C"
    ) AS nth_level,
    ROW_NUMBER() OVER (
      PARTITION BY account.account_id
      ORDER BY
        CASE WHEN stated.behaviour IS NULL THEN 1 ELSE 0 END,
        stated.month DESC,
        stated.customer_id COLLATE "C"
    ) AS nth_behaviour,
    ROW_NUMBER() OVER (
      PARTITION BY account.account_id, stated.customer_id
      ORDER BY CASE WHEN stated.patients IS NULL THEN 1 ELSE 0 END, stated.month DESC
    ) AS nth_patients
  FROM facts.prescriptions AS stated
  JOIN account ON account.customer_id = stated.customer_id
  WHERE stated.month <= :as_of
    AND stated.batch_no <= :facts_batch_no
    AND (stated.superseded_in IS NULL OR stated.superseded_in > :facts_batch_no)
) AS fact
GROUP BY fact.account_id
