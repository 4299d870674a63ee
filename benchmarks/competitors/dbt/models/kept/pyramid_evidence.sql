-- The indicators behind every decision, day by day: one row per customer and indicator.
with

measured as (

    select
        measures.customer_id as account_id,
        measures.net_sales,
        tiers.sales_rank,
        tiers.customers,
        coalesce(tiers.tier, 'lead') as tier
    from {{ ref('customer_measures') }} as measures
    left join {{ ref('pyramid') }} as tiers on tiers.customer_id = measures.customer_id

)

{{ indicator('net_sales') }}
union all
{{ indicator('sales_rank', level='tier') }}
union all
{{ indicator('customers') }}
