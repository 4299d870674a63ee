-- Counts, or removes, landed rows of intervals that ended before a day, were not loaded since, and are not being loaded.
{{ "SELECT COUNT(*) AS pruned_rows" if counts else "DELETE" }} FROM landing.{{ entity }}
WHERE SPLIT_PART(batch_id, '/', 2) < :up_to
  AND NOT EXISTS (
    SELECT 1 FROM tiering.batch AS batch WHERE batch.batch_id = {{ entity }}.batch_id AND batch.loaded_at >= :instant
  )
  {% if has_extraction %}
  AND NOT EXISTS (SELECT 1 FROM work.extraction AS extraction WHERE extraction.batch_id = {{ entity }}.batch_id)
  {% endif %}
