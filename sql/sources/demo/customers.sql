-- Customers as the ERP knows them: one row per business partner.
SELECT
    partner.partner_no AS customer_id,
    partner.partner_name AS name,
    partner.rep_no AS account_manager_id,
    partner.payer_no AS bill_to_id,
    partner.concern_no AS group_id,
    CASE partner.partner_class
        WHEN 'DLR' THEN 'dealer'
        WHEN 'FRA' THEN 'franchise'
        WHEN 'OEM' THEN 'oem'
    END AS customer_type,
    partner.branch_of_trade AS industry,
    partner.sales_district AS region,
    partner.opened_day AS opened_on,
    partner.currency_code AS currency,
    partner.credit_line AS credit_limit,
    partner.payment_days AS terms_days,
    CASE partner.lifecycle
        WHEN 'A' THEN 'active'
        WHEN 'I' THEN 'inactive'
        WHEN 'P' THEN 'prospect'
    END AS status,
    partner.delivery_block AS is_blocked,
    partner.ownership AS attr_ownership,
    partner.headcount AS attr_employees
FROM erp.business_partner AS partner
