-- Service events opened up to a day; what is closed later is open, and what was said at closing unsaid: one row per event.
SELECT
  event_id,
  customer_id,
  opened_on,
  kind,
  answered_seconds,
  CASE WHEN closed_on <= :as_of THEN closed_on END AS closed_on,
  CASE WHEN closed_on IS NULL OR closed_on <= :as_of THEN satisfaction END AS satisfaction,
  is_urgent,
  is_important,
  grade
FROM facts.service_events
WHERE opened_on <= :as_of
  AND batch_no <= :facts_batch_no
  AND (superseded_in IS NULL OR superseded_in > :facts_batch_no)
