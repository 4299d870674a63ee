-- The indicators behind every decision, day by day: one row per account and indicator.
with

measured as (

    select
        account_id,
        net_sales,
        gross_sales,
        largest_order,
        average_order,
        is_key,
        collection_rate
    from {{ ref('collection_classes') }}

)

{{ indicator('net_sales') }}
union all
{{ indicator('gross_sales') }}
union all
{{ indicator('largest_order') }}
union all
{{ indicator('average_order') }}
union all
{{ indicator('is_key') }}
union all
{{ indicator('collection_rate') }}
