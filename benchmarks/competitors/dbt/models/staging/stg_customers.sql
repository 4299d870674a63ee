-- Customers as they are known on the day: one row per customer.
with

versions as (

    select
        customer_id,
        coalesce(bill_to_id, customer_id) as bill_to_id,
        account_manager_id,
        coalesce(status, 'active') as status,
        opened_on,
        -- what held on the day; before the first extract, what held first
        row_number() over (
            partition by customer_id
            order by
                case when holds_from <= {{ as_of() }} then 0 else 1 end,
                case when holds_from <= {{ as_of() }} then holds_from end desc,
                holds_from
        ) as nth
    from {{ source('facts', 'customers') }}
    where superseded_in is null

)

select
    customer_id,
    bill_to_id,
    account_manager_id,
    status
from versions
where nth = 1
    and (opened_on is null or opened_on <= {{ as_of() }})
