-- Account managers and their superiors: one row per sales rep.
SELECT
    rep.rep_no AS account_manager_id,
    rep.rep_name AS name,
    rep.mailbox AS email,
    rep.superior_no AS reports_to_id,
    LOWER(rep.mail_language) AS locale,
    rep.sales_district AS region
FROM erp.sales_rep AS rep
