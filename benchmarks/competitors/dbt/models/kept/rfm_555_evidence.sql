-- The indicators behind every decision, day by day: one row per customer and indicator.
with

measured as (

    select
        measures.customer_id as account_id,
        measures.recency_days,
        measures.order_count,
        measures.net_sales,
        tiers.recency,
        tiers.frequency,
        tiers.monetary
    from {{ ref('customer_measures') }} as measures
    left join {{ ref('rfm_555') }} as tiers on tiers.customer_id = measures.customer_id

)

{{ indicator('recency_days', level='recency', points='recency') }}
union all
{{ indicator('order_count') }}
union all
{{ indicator('net_sales') }}
union all
{{ indicator('frequency', level='frequency', points='frequency') }}
union all
{{ indicator('monetary', level='monetary', points='monetary') }}
