-- What was decided, day by day: one row per customer, without a tier for who has never bought.
select
    measures.customer_id as account_id,
    {{ as_of() }} as as_of,
    tiers.tier,
    tiers.score,
    tiers.code,
    case when tiers.customer_id is null then 'gate:has_bought' end as reason,
    measures.account_manager_id
from {{ ref('customer_measures') }} as measures
left join {{ ref('rfm_555') }} as tiers on tiers.customer_id = measures.customer_id
