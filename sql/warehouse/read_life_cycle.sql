-- Which customers are gone, erased or merged, as one of the three tables of that says: one row per row of the table.
SELECT {{ columns | join(", ") }}
FROM tiering.{{ table }}
