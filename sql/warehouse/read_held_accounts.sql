-- Accounts whose inputs are refused as of a day: one row per account, with one reason and how many rows there are.
-- A refused row counts while it stands: its interval was not extracted again, nor the row loaded since. Its day, where
-- it can be read, lies in the window that the policy looks at; what has no day of its own counts always, and what a
-- customers extract says counts from the day of that extract. The second of two equal rows is not missed, and what
-- retention has emptied is too old to count.
{% from 'warehouse/parse.jinja' import parsed, trimmed %}
WITH {% include 'measures/accounts_of_day.jinja' %},
loaded AS (
  SELECT DISTINCT entity, batch_no, batch_start, batch_end, holds_from
  FROM tiering.batch
  WHERE batch_no <= :facts_batch_no
),
said AS (
  SELECT
    quarantine.entity,
    quarantine.batch_no,
    quarantine.position,
    quarantine.rule,
    quarantine.customer_id,
    CAST(quarantine.row_json AS JSON) AS row_said,
    loaded.batch_start,
    loaded.batch_end,
    loaded.holds_from
  FROM tiering.quarantine AS quarantine
  JOIN loaded ON loaded.entity = quarantine.entity AND loaded.batch_no = quarantine.batch_no
  WHERE quarantine.customer_id IS NOT NULL
    AND quarantine.rule <> 'duplicate'
    AND quarantine.row_json <> '{}'
    AND quarantine.batch_no <= :facts_batch_no
    AND (quarantine.superseded_in IS NULL OR quarantine.superseded_in > :facts_batch_no)
),
{% for input in inputs %}
text_of_{{ input.name }} AS (
  SELECT
    batch_no,
    position,
    rule,
    customer_id,
    batch_start,
    batch_end,
    holds_from
    {% if input.dated_by %}
    , json_extract_string(row_said, '$.{{ input.dated_by }}') AS day_said
    {% endif %}
    {% for column in input.key %}
    , json_extract_string(row_said, '$.{{ column }}') AS key_{{ column }}
    {% endfor %}
  FROM said
  WHERE entity = '{{ input.name }}'
),
of_{{ input.name }} AS (
  SELECT
    batch_no,
    position,
    rule,
    customer_id,
    batch_start,
    batch_end,
    {% if input.dated_by %}
    {{ parsed("day_said", "date") }} AS dated_on
    {% elif input.versioned %}
    COALESCE(holds_from, batch_end - 1) AS dated_on
    {% else %}
    CAST(NULL AS DATE) AS dated_on
    {% endif %}
    {% for column in input.key %}
    , {{ trimmed("key_" ~ column) }} AS key_{{ column }}
    {% endfor %}
  FROM text_of_{{ input.name }}
),
{% endfor %}
held AS (
  {% for input in inputs %}
  SELECT
    account.account_id,
    '{{ input.name }}: ' || refused.rule AS reason,
    '{{ input.name }}:' || CAST(refused.batch_no AS TEXT) || ':' || CAST(refused.position AS TEXT) AS source_row
  FROM of_{{ input.name }} AS refused
  JOIN account ON account.customer_id = refused.customer_id
  WHERE (refused.dated_on IS NULL OR (refused.dated_on <= :as_of{% if input.dated_by %} AND refused.dated_on > :start_{{ input.name }}{% endif %}))
    {% if input.is_account %}
    AND (refused.key_{{ input.key[0] }} IS NULL OR refused.key_{{ input.key[0] }} = account.account_id)
    {% endif %}
    {% if input.dated_by %}
    AND NOT EXISTS (
      SELECT 1
      FROM loaded AS later
      WHERE later.entity = '{{ input.name }}'
        AND later.batch_no > refused.batch_no
        AND (
          (later.batch_start <= refused.dated_on AND later.batch_end > refused.dated_on)
          OR (later.batch_start <= refused.batch_start AND later.batch_end >= refused.batch_end)
        )
    )
    AND NOT EXISTS (
      SELECT 1
      FROM facts.{{ input.name }} AS fact
      WHERE fact.batch_no > refused.batch_no
        AND fact.batch_no <= :facts_batch_no
        {% for column in input.key %}
        AND CAST(fact.{{ column }} AS TEXT) = COALESCE(refused.key_{{ column }}, '')
        {% endfor %}
    )
    {% endif %}
  {{ "UNION ALL" if not loop.last }}
  {% endfor %}
)
SELECT account_id, MIN(reason COLLATE "C") AS reason, COUNT(DISTINCT source_row) AS refused_rows
FROM held
GROUP BY account_id
ORDER BY account_id COLLATE "C"
