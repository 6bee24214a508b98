{{ config(materialized='view') }}
select customer_id, spent from {{ ref('customers') }} where spent > 0
