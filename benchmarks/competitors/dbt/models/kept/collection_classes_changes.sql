-- The moves of a day, day by day: one row per account.
{{ changes('collection_classes', ['A', 'B', 'C', 'D']) }}
