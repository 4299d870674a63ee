-- Keeps who is seen at the accounts that have to be measured again: one row per account and customer.
-- Those whose customers or whose scope are others than before; and those of a customer with a row of facts that was
-- loaded, replaced or withdrawn since, or that a boundary passed. Money that names a document touches its owner too.
{% macro changed(row, change) %}{{ row }}.{{ change[0] }} {{ change[1] }} :{{ change[2] }} AND {{ row }}.{{ change[0] }} {{ change[3] }} :{{ change[4] }}{% endmacro %}
INSERT INTO work.{{ affected }} (account_id, customer_id, account_manager_id, first_opened_on, is_head)
SELECT
  member.account_id,
  member.customer_id,
  member.account_manager_id,
  member.first_opened_on,
  member.is_head
FROM work.{{ members }} AS member
JOIN (
  SELECT COALESCE(now.account_id, known.account_id) AS account_id
  FROM work.{{ members }} AS now
  FULL JOIN work.{{ members_before }} AS known
    ON known.account_id = now.account_id AND known.customer_id = now.customer_id AND known.is_head = now.is_head
  WHERE now.account_id IS NULL OR known.account_id IS NULL
  {% if changes %}
  UNION
  SELECT seen.account_id
  FROM (
    {% for table, found in changes.items() %}
    {% set last_table = loop.last %}
    {% for change in found %}
    SELECT fact.customer_id
    FROM facts.{{ table }} AS fact
    WHERE {{ changed("fact", change) }}
    {% if table == "payments" and names_documents %}
    UNION ALL
    SELECT document.customer_id
    FROM facts.payments AS fact
    JOIN facts.receivables AS document ON document.document_id = fact.document_id AND document.superseded_in IS NULL
    WHERE {{ changed("fact", change) }}
    {% endif %}
    {% if not (loop.last and last_table) %}
    UNION ALL
    {% endif %}
    {% endfor %}
    {% endfor %}
  ) AS changed
  JOIN work.{{ members }} AS seen ON seen.customer_id = changed.customer_id
  {% endif %}
) AS again ON again.account_id = member.account_id
