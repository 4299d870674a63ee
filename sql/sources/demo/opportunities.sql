-- Deals in hand: one row per deal.
SELECT
    deal.deal_no AS opportunity_id,
    deal.partner_no AS customer_id,
    deal.need_confirmed AS has_explicit_need,
    deal.phase AS stage,
    deal.planned_close_day AS expected_close_on,
    deal.deal_value AS amount,
    deal.refused AS is_refused
FROM erp.crm_deal AS deal
