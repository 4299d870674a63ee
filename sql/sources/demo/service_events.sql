-- Service tickets opened in the batch: one row per ticket.
SELECT
    ticket.ticket_no AS event_id,
    ticket.partner_no AS customer_id,
    ticket.opened_day AS opened_on,
    ticket.ticket_kind AS kind,
    ticket.seconds_to_answer AS answered_seconds,
    ticket.closed_day AS closed_on,
    ticket.satisfaction_mark AS satisfaction,
    ticket.urgent AS is_urgent,
    ticket.important AS is_important,
    ticket.stated_grade AS grade
FROM erp.service_ticket AS ticket
WHERE ticket.opened_day >= :batch_start
    AND ticket.opened_day < :batch_end
