{% snapshot rfm_555_history %}

{{ config(unique_key='customer_id', strategy='check', check_cols=['tier'], hard_deletes='invalidate') }}

select
    customer_id,
    tier
from {{ ref('rfm_555') }}

{% endsnapshot %}
