-- What happened to customers in the batch, good or bad: one row per event.
SELECT
    event.partner_no AS customer_id,
    event.event_day AS happened_on,
    event.event_kind AS kind
FROM erp.partner_event AS event
WHERE event.event_day >= :batch_start
    AND event.event_day < :batch_end
