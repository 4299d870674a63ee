-- Changes of key assessments from day to day, up to the last day loaded: one row per customer, indicator and day.
-- What holds on a day is the latest assessment that is valid on it, as in the measures; one that runs out leaves none.
INSERT INTO work.key_field_change (
  customer_id, entity, field, before, after, changed_on, batch_no, assessed_by, evidence
)
WITH assessment AS (
  SELECT customer_id, indicator, value, assessed_on, valid_to, assessed_by, evidence, batch_no
  FROM facts.assessments
  WHERE superseded_in IS NULL
    AND STRPOS(:fields, ',' || indicator || ',') > 0
    AND (valid_to IS NULL OR valid_to >= assessed_on)
),
turn AS (
  SELECT customer_id, indicator, assessed_on AS turns_on
  FROM assessment
  UNION
  SELECT customer_id, indicator, valid_to + 1
  FROM assessment
  WHERE valid_to IS NOT NULL
),
in_force AS (
  SELECT
    turn.customer_id,
    turn.indicator,
    turn.turns_on,
    assessment.value,
    assessment.assessed_by,
    assessment.evidence,
    CASE WHEN assessment.assessed_on = turn.turns_on THEN assessment.batch_no ELSE :batch_no END AS batch_no,
    ROW_NUMBER() OVER (
      PARTITION BY turn.customer_id, turn.indicator, turn.turns_on
      ORDER BY assessment.assessed_on DESC
    ) AS nth
  FROM turn
  LEFT JOIN assessment
    ON assessment.customer_id = turn.customer_id
    AND assessment.indicator = turn.indicator
    AND assessment.assessed_on <= turn.turns_on
    AND (assessment.valid_to IS NULL OR assessment.valid_to >= turn.turns_on)
),
compared AS (
  SELECT
    customer_id,
    indicator,
    turns_on,
    value,
    LAG(value) OVER (PARTITION BY customer_id, indicator ORDER BY turns_on) AS value_before,
    ROW_NUMBER() OVER (PARTITION BY customer_id, indicator ORDER BY turns_on) AS nth,
    assessed_by,
    evidence,
    batch_no
  FROM in_force
  WHERE nth = 1 AND turns_on < (SELECT MAX(batch_end) FROM tiering.batch)
)
SELECT
  customer_id,
  'assessments',
  indicator,
  value_before,
  value,
  turns_on,
  batch_no,
  assessed_by,
  evidence
FROM compared
WHERE nth > 1 AND value_before IS DISTINCT FROM value
