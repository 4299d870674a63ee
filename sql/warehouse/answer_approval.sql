-- The answer to open requests of a run: to one, or to all.
UPDATE tiering.approval
SET answered_by = :answered_by, answered_at = :answered_at, answer = :answer, comment = :comment
WHERE run_id = :run_id AND answer IS NULL{% if of_one %} AND approval_id LIKE :subject{% endif %}
