-- What collection_classes looks at, in the calendar year of the day: one row per account that pays and has not left.
with

accounts as (

    -- who pays for a customer, where that is a customer known on the day, else the customer itself
    select
        customers.customer_id,
        coalesce(payers.customer_id, customers.customer_id) as account_id,
        coalesce(payers.account_manager_id, customers.account_manager_id) as account_manager_id,
        coalesce(payers.status, customers.status) as status
    from {{ ref('stg_customers') }} as customers
    left join {{ ref('stg_customers') }} as payers on payers.customer_id = customers.bill_to_id

),

documents as (

    select
        accounts.account_id,
        sales.document_id,
        sales.is_purchase,
        sum(sales.net_amount) as net_amount,
        case when count(*) = count(sales.gross_amount) then sum(sales.gross_amount) end as gross_amount
    from {{ ref('stg_sales') }} as sales
    inner join accounts on accounts.customer_id = sales.customer_id
    where sales.sold_on >= date_trunc('year', {{ as_of() }})
    group by accounts.account_id, sales.document_id, sales.is_purchase

),

sales as (

    select
        account_id,
        sum(net_amount) as net_sales,
        case when count(*) = count(gross_amount) then sum(gross_amount) end as gross_sales,
        count(*) filter (where is_purchase) as order_count,
        max(net_amount) filter (where is_purchase) as largest_order
    from documents
    group by account_id

),

payments as (

    select
        accounts.account_id,
        sum(payments.amount) as received
    from {{ ref('stg_payments') }} as payments
    inner join accounts on accounts.customer_id = payments.customer_id
    where payments.paid_on >= date_trunc('year', {{ as_of() }})
    group by accounts.account_id

),

population as (

    select
        account_id,
        min(account_manager_id) as account_manager_id
    from accounts
    where status <> 'left'
    group by account_id

)

select
    population.account_id,
    population.account_manager_id,
    coalesce(sales.net_sales, 0) as net_sales,
    case when sales.account_id is null then 0 else sales.gross_sales end as gross_sales,
    sales.largest_order,
    case when sales.order_count > 0 then sales.net_sales / sales.order_count end as average_order,
    coalesce(payments.received, 0) as received
from population
left join sales on sales.account_id = population.account_id
left join payments on payments.account_id = population.account_id
