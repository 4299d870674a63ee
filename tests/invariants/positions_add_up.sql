-- Positions whose documents less money are not the balance, or whose buckets are not what is open: one row each.
SELECT customer_id, currency, as_of
FROM tiering.receivable_position
WHERE billed_amount - paid_amount <> balance
  OR ageing_current + ageing_1_30 + ageing_31_60 + ageing_61_90 + ageing_over_90 + disputed_amount <> open_amount
  OR ageing_1_30 + ageing_31_60 + ageing_61_90 + ageing_over_90 <> overdue_amount
