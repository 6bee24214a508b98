{{ config(materialized='table', query_tag='witness') }}
select n_nationkey, n_name from {{ source('samples', 'nation') }}
