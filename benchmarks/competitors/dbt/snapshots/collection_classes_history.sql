{% snapshot collection_classes_history %}

{{ config(unique_key='account_id', strategy='check', check_cols=['tier', 'status'], hard_deletes='invalidate') }}

select
    account_id,
    tier,
    status
from {{ ref('collection_classes') }}

{% endsnapshot %}
