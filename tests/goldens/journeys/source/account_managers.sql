-- One account manager looks after every member.
SELECT 'M1' AS account_manager_id, 'Ann Canary' AS name, 'ann.canary@corp.example' AS email
