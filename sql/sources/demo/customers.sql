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
    partner.headcount AS attr_employees,
    partner.yearly_revenue AS attr_annual_revenue,
    partner.revenue_trend AS attr_revenue_growth,
    partner.market_part AS attr_market_share,
    partner.total_assets AS attr_assets,
    partner.debt_part AS attr_debt_ratio,
    CASE partner.legal_nature
        WHEN 'GOV' THEN 'government'
        WHEN 'SOE' THEN 'state_owned'
        WHEN 'JSC' THEN 'joint_stock'
        WHEN 'PRV' THEN 'private'
    END AS attr_nature,
    partner.listed AS attr_listed,
    CASE partner.sex
        WHEN 'F' THEN 'female'
        WHEN 'M' THEN 'male'
    END AS attr_sex,
    partner.birth_year AS attr_birth_year,
    CASE partner.income_class
        WHEN '1' THEN 'low'
        WHEN '2' THEN 'middle'
        WHEN '3' THEN 'high'
    END AS attr_income_band,
    CASE partner.special_policy
        WHEN 'REB' THEN 'rebate'
        WHEN 'PRC' THEN 'price_agreement'
        WHEN 'EXC' THEN 'exclusive_region'
    END AS attr_special_policy,
    CASE partner.special_settlement
        WHEN 'MON' THEN 'monthly'
        WHEN 'CON' THEN 'consignment'
    END AS attr_special_settlement
FROM erp.business_partner AS partner
