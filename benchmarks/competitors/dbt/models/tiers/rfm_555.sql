-- Recency, frequency and monetary value of five digits each: one row per customer that has ever bought.
with

buyers as (

    select
        customer_id,
        account_manager_id,
        recency_days,
        order_count,
        net_sales,
        {{ quantile(5, 'order_count') }} as frequency,
        {{ quantile(5, 'net_sales') }} as monetary
    from {{ ref('customer_measures') }}
    where recency_days is not null

),

scored as (

    select
        customer_id,
        account_manager_id,
        recency_days,
        order_count,
        net_sales,
        frequency,
        monetary,
        case
            when recency_days <= 7 then 5
            when recency_days <= 30 then 4
            when recency_days <= 60 then 3
            when recency_days <= 120 then 2
            else 1
        end as recency
    from buyers

)

select
    customer_id,
    account_manager_id,
    recency_days,
    order_count,
    net_sales,
    recency,
    frequency,
    monetary,
    recency || frequency || monetary as code,
    recency + frequency + monetary as score,
    case
        when recency + frequency + monetary >= 13 then 'A'
        when recency + frequency + monetary >= 10 then 'B'
        when recency + frequency + monetary >= 7 then 'C'
        else 'D'
    end as tier
from scored
