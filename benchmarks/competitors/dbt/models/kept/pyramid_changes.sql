-- The moves of a day, day by day: one row per customer.
{{ changes('pyramid', ['platinum', 'gold', 'iron', 'lead']) }}
