{{ config(materialized='ephemeral') }}
select * from {{ ref('raw_orders') }} where ordered >= '2024-03-01'::date
