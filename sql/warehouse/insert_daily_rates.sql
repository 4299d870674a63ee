-- The rate of every currency on every day: one row per currency and day; a rate holds for the 7 days after its own.
INSERT INTO work.daily_rate (currency, day, rate)
WITH known AS (
  SELECT parsed.currency, parsed.valid_on, parsed.rate_to_reporting
  FROM work.parsed_exchange_rates AS parsed
  WHERE NOT EXISTS (
    SELECT 1 FROM work.refused AS refused WHERE refused.entity = 'exchange_rates' AND refused.position = parsed.position
  )
  UNION ALL
  SELECT standing.currency, standing.valid_on, standing.rate_to_reporting
  FROM facts.exchange_rates AS standing
  WHERE standing.superseded_in IS NULL
    AND NOT EXISTS (
      SELECT 1
      FROM work.parsed_exchange_rates AS parsed
      WHERE parsed.currency = standing.currency AND parsed.valid_on = standing.valid_on
        AND NOT EXISTS (
          SELECT 1
          FROM work.refused AS refused
          WHERE refused.entity = 'exchange_rates' AND refused.position = parsed.position
        )
    )
),
following AS (
  SELECT
    currency,
    valid_on,
    rate_to_reporting,
    LEAD(valid_on) OVER (PARTITION BY currency ORDER BY valid_on) AS next_on
  FROM known
),
ages AS (
  SELECT CAST(age AS INTEGER) AS age
  FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS listed (age)
)
SELECT following.currency, following.valid_on + ages.age AS day, following.rate_to_reporting
FROM following
CROSS JOIN ages
WHERE following.currency <> :reporting_currency
  AND (following.next_on IS NULL OR following.valid_on + ages.age < following.next_on)
