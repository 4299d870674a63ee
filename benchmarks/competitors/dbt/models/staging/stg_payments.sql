-- Money received up to the day in the reporting currency, refunds negative: one row per payment.
select
    payment_id,
    customer_id,
    paid_on,
    case when kind = 'refund' then -abs(amount_reporting) else amount_reporting end as amount
from {{ source('facts', 'payments') }}
where superseded_in is null
    and paid_on <= {{ as_of() }}
