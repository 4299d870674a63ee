-- Balances struck in the batch: one row per customer, kind and month end; points have no currency.
SELECT
    balance.partner_no AS customer_id,
    balance.balance_day AS as_of,
    CASE balance.balance_kind
        WHEN 'DEPOSIT' THEN 'assets'
        WHEN 'POINTS' THEN 'star_points'
    END AS kind,
    balance.balance_value AS amount,
    balance.currency_code AS currency
FROM erp.account_balance AS balance
WHERE balance.balance_day >= :batch_start
    AND balance.balance_day < :batch_end
