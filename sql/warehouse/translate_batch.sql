-- Adds the rate of its day and the derived amounts: one row per parsed row.
INSERT INTO work.translated_{{ entity.name }} (
  position, rate, {{ entity.derived | join(', ') }}
)
WITH rated AS (
  SELECT
    parsed.position,
    {% for column in entity.translated if column in entity.columns %}
    parsed.{{ column }},
    {% endfor %}
    CASE WHEN parsed.currency = :reporting_currency THEN 1 ELSE daily_rate.rate END AS rate
    {% if entity.name == 'sales' %}
    , COALESCE(
      parsed.net_amount + parsed.tax_amount,
      CAST(ROUND(parsed.net_amount * (1 + vat.vat_rate), 2) AS DECIMAL(20, 4))
    ) AS gross_amount
    {% endif %}
  FROM work.parsed_{{ entity.name }} AS parsed
  LEFT JOIN work.daily_rate AS daily_rate
    ON daily_rate.currency = parsed.currency AND daily_rate.day = {{ "parsed." ~ entity.dated_by if entity.dated_by else "LEAST(parsed.ordered_on, CAST(:last_day AS DATE))" }}
  {% if entity.name == 'sales' %}
  LEFT JOIN work.vat AS vat ON vat.year = EXTRACT(YEAR FROM parsed.sold_on)
  {% endif %}
)
SELECT
  position,
  rate
  {% if entity.name == 'sales' %}
  , gross_amount
  {% endif %}
  {% for column in entity.translated %}
  , CAST(ROUND({{ column }} * CAST(rate AS DECIMAL(18, 8)), {{ minor_digits }}) AS DECIMAL(20, 4)) AS {{ column }}_reporting
  {% endfor %}
FROM rated
