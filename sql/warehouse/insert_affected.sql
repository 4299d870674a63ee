-- Keeps who is seen at the accounts that a change touched: one row per account and customer.
-- Those that moved; and those of a customer with a row of facts that was loaded, replaced or withdrawn since, or that
-- a boundary passed. Money that names a document touches the account of that document too.
{% macro lies_between(change) -%}
fact.{{ change.column }} {{ change.after }} :{{ change.low }} AND fact.{{ change.column }} {{ change.until }} :{{ change.high }}
{%- endmacro %}
INSERT INTO work.{{ affected }} (account_id, customer_id, account_manager_id, first_opened_on, is_head)
SELECT
  member.account_id,
  member.customer_id,
  member.account_manager_id,
  member.first_opened_on,
  member.is_head
FROM work.{{ members }} AS member
JOIN (
  SELECT account_id
  FROM work.{{ moved }}
  {% if changes %}
  UNION
  SELECT seen.account_id
  FROM (
    {% for change in changes %}
    SELECT fact.customer_id
    FROM facts.{{ change.table }} AS fact
    WHERE {{ lies_between(change) }}
    {% if change.table == "payments" and names_documents %}
    UNION ALL
    SELECT document.customer_id
    FROM facts.payments AS fact
    JOIN facts.receivables AS document
      ON document.document_id = fact.document_id
      AND document.batch_no <= :facts_batch_no
      AND (document.superseded_in IS NULL OR document.superseded_in > :facts_batch_no)
    WHERE {{ lies_between(change) }}
    {% endif %}
    {% if not loop.last %}
    UNION ALL
    {% endif %}
    {% endfor %}
  ) AS changed
  JOIN work.{{ members }} AS seen ON seen.customer_id = changed.customer_id
  {% endif %}
) AS touched ON touched.account_id = member.account_id
