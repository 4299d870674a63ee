-- What pyramid and rfm_555 look at: one row per customer that has not left.
with

sales as (

    select
        customer_id,
        sum(net_amount) filter (where sold_on > {{ as_of() }} - interval 12 month) as net_sales,
        count(distinct document_id) filter (
            where is_purchase and sold_on > {{ as_of() }} - interval 12 month
        ) as order_count,
        max(sold_on) filter (where is_purchase) as last_purchase_on
    from {{ ref('stg_sales') }}
    group by customer_id

)

select
    customers.customer_id,
    customers.account_manager_id,
    coalesce(sales.net_sales, 0) as net_sales,
    coalesce(sales.order_count, 0) as order_count,
    date_diff('day', sales.last_purchase_on, {{ as_of() }}) as recency_days
from {{ ref('stg_customers') }} as customers
left join sales on sales.customer_id = customers.customer_id
where customers.status <> 'left'
