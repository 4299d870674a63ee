-- The moves of a day, day by day: one row per customer.
{{ changes('rfm_555', ['A', 'B', 'C', 'D']) }}
