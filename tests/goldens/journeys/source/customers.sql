-- Members, each of one programme: one row per member.
SELECT member AS customer_id, 'Member ' || member AS name, 'M1' AS account_manager_id, programme AS customer_type, opened_on
FROM books.member
