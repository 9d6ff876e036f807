select
    load_band,
    band_order,
    min_instances,
    max_instances,
    instances_range
from {{ ref('load_bands') }}
