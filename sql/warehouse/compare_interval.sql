-- How many rows an extract holds, and how many stand in the facts for the same days: one row.
SELECT
  (SELECT COUNT(*) FROM landing.{{ entity.name }} WHERE batch_id = :batch_id) AS found_rows,
  (
    SELECT COUNT(*)
    FROM facts.{{ entity.name }}
    WHERE superseded_in IS NULL AND {{ entity.dated_by }} >= :batch_start AND {{ entity.dated_by }} < :batch_end
  ) AS expected_rows
