-- The customer pyramid 1/4/15/80 by net sales in 12 months: one row per customer with current business.
with

ranked as (

    select
        customer_id,
        account_manager_id,
        net_sales,
        rank() over (order by net_sales desc) as sales_rank,
        count(*) over () as customers
    from {{ ref('customer_measures') }}
    where net_sales > 0

)

select
    customer_id,
    account_manager_id,
    net_sales,
    sales_rank,
    customers,
    -- cumulated shares of the customers, rounded half up; ties stay together
    case
        when sales_rank <= (customers * 1 + 50) // 100 then 'platinum'
        when sales_rank <= (customers * 5 + 50) // 100 then 'gold'
        when sales_rank <= (customers * 20 + 50) // 100 then 'iron'
        else 'lead'
    end as tier
from ranked
