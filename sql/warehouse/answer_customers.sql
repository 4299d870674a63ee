-- What was said of customers whose tier needs a word: of one, or of all that nothing was said of yet.
UPDATE tiering.approval_customer
SET is_approved = :is_approved, effective_on = :effective_on
WHERE run_id = :run_id{% if of_one %} AND customer_id = :customer_id{% else %} AND is_approved IS NULL{% endif %}
