-- Classes by the share of the year's billing that was collected: one row per account that pays.
with

ranked as (

    select
        account_id,
        account_manager_id,
        net_sales,
        gross_sales,
        largest_order,
        average_order,
        received,
        row_number() over (
            order by net_sales desc nulls last, gross_sales desc nulls last, account_id
        ) <= 100 and net_sales > 0 as is_key
    from {{ ref('account_measures') }}

)

select
    account_id,
    account_manager_id,
    net_sales,
    gross_sales,
    largest_order,
    average_order,
    is_key,
    case when gross_sales > 0 then received / gross_sales end as collection_rate,
    -- money is compared with money, which is exact; the rate above is for reading
    case
        when gross_sales is null or gross_sales <= 0 then 'D'
        when is_key and received >= gross_sales then 'A'
        when received >= gross_sales then 'B'
        when is_key and received >= gross_sales * 0.9 then 'B'
        when received >= gross_sales * 0.8 then 'C'
        else 'D'
    end as tier,
    case when gross_sales > 0 then 'final' else 'provisional' end as status
from ranked
