-- The company's plan: one row per year.
SELECT
    budget.fiscal_year AS year,
    budget.revenue_target AS revenue_budget,
    budget.margin_rate AS gross_margin_rate,
    budget.vat_rate AS vat_rate
FROM erp.budget AS budget
