-- Sales up to the day in the reporting currency, credit notes negative: one row per line.
select
    line_id,
    document_id,
    customer_id,
    sold_on,
    coalesce(document_type, 'invoice') = 'invoice' as is_purchase,
    case
        when document_type = 'credit_note' then -abs(net_amount_reporting)
        else net_amount_reporting
    end as net_amount,
    case
        when document_type = 'credit_note' then -abs(gross_amount_reporting)
        else gross_amount_reporting
    end as gross_amount
from {{ source('facts', 'sales') }}
where superseded_in is null
    and sold_on <= {{ as_of() }}
