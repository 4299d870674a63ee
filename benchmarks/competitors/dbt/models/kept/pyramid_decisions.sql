-- What was decided, day by day: one row per customer, without a tier where there is no current business.
select
    measures.customer_id as account_id,
    {{ as_of() }} as as_of,
    tiers.tier,
    case when tiers.customer_id is null then 'gate:current_business' end as reason,
    measures.account_manager_id
from {{ ref('customer_measures') }} as measures
left join {{ ref('pyramid') }} as tiers on tiers.customer_id = measures.customer_id
