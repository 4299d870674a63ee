-- Registrations and refunds as events: one row per member, day and kind.
SELECT DISTINCT member AS customer_id, happened_on, kind
FROM books.event
WHERE kind IN ('registration', 'refund') AND happened_on >= :batch_start AND happened_on < :batch_end
