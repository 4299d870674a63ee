-- What was decided, day by day: one row per account.
select
    account_id,
    {{ as_of() }} as as_of,
    tier,
    status,
    account_manager_id
from {{ ref('collection_classes') }}
