-- How many accounts two tables of measures do not tell the same of: one row.
SELECT COUNT(DISTINCT account_id) AS differing
FROM (
  (
    SELECT {{ columns | join(", ") }} FROM work.{{ one }}
    EXCEPT ALL
    SELECT {{ columns | join(", ") }} FROM work.{{ other }}
  )
  UNION ALL
  (
    SELECT {{ columns | join(", ") }} FROM work.{{ other }}
    EXCEPT ALL
    SELECT {{ columns | join(", ") }} FROM work.{{ one }}
  )
) AS differing
