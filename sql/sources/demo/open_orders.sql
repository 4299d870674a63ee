-- Orders not yet invoiced: one row per order.
SELECT
    sales_order.order_no AS document_id,
    sales_order.partner_no AS customer_id,
    sales_order.order_day AS ordered_on,
    sales_order.open_value AS amount,
    sales_order.currency_code AS currency
FROM erp.sales_order AS sales_order
