{#
    Closed forms of statistics: quantiles, intervals, tests. Belongs here: a formula of a textbook, with its source.
    Does not belong here: which figures are compared, and at what level (settings).

    Sums that go in are exact (counts, whole numbers), so that the order of rows changes no digit; what comes out is
    binary.
#}

{# Variance of a sample from its count, its sum and the sum of its squares; NULL for fewer than two. #}
{% macro sample_variance(count, total, square_total) -%}
    (
        greatest(
            cast({{ square_total }} as double)
            - cast({{ total }} as double) * cast({{ total }} as double) / nullif(cast({{ count }} as double), 0),
            0
        ) / nullif(cast({{ count }} as double) - 1, 0)
    )
{%- endmacro %}

{#
    Quantile of Student's t with `freedom` degrees of freedom from the normal quantile `z` of the same level:
    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.5. At z = 1.96 it is 0.003 off with five
    degrees, 0.00002 with 13.
#}
{% macro t_quantile(z, freedom) -%}
    (
        {{ z }}
        + (power({{ z }}, 3) + {{ z }}) / (4 * {{ freedom }})
        + (5 * power({{ z }}, 5) + 16 * power({{ z }}, 3) + 3 * {{ z }}) / (96 * power({{ freedom }}, 2))
        + (3 * power({{ z }}, 7) + 19 * power({{ z }}, 5) + 17 * power({{ z }}, 3) - 15 * {{ z }})
        / (384 * power({{ freedom }}, 3))
    )
{%- endmacro %}

{#
    An end of Wilson's interval of a proportion (sign - or +): E. B. Wilson, Probable inference, the law of succession,
    and statistical inference, JASA 22 (1927) 209-212. NULL without observations.
#}
{% macro wilson_bound(successes, count, z, sign) -%}
    (
        (
            2 * {{ successes }} + power({{ z }}, 2)
            {{ sign }} {{ z }} * sqrt(
                power({{ z }}, 2)
                + 4 * {{ successes }} * (1 - {{ successes }} / nullif(cast({{ count }} as double), 0))
            )
        ) / (2 * (nullif(cast({{ count }} as double), 0) + power({{ z }}, 2)))
    )
{%- endmacro %}

{#
    Half widths of Newcombe's hybrid score interval of p_b - p_a, below and above the difference, from Wilson's
    intervals of the two: R. G. Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17 (1998) 873-890, method 10. It holds where all or none succeed, where the interval of Wald
    has no width.
#}
{% macro newcombe_below(rate_a, high_a, rate_b, low_b) -%}
    sqrt(power({{ rate_b }} - {{ low_b }}, 2) + power({{ high_a }} - {{ rate_a }}, 2))
{%- endmacro %}

{% macro newcombe_above(rate_a, low_a, rate_b, high_b) -%}
    sqrt(power({{ high_b }} - {{ rate_b }}, 2) + power({{ rate_a }} - {{ low_a }}, 2))
{%- endmacro %}

{#
    Degrees of freedom of the difference of two means whose squared standard errors are given: B. L. Welch, The
    generalization of Student's problem when several different population variances are involved, Biometrika 34 (1947)
    28-35. NULL where both are zero.
#}
{% macro welch_freedom(squared_error_a, count_a, squared_error_b, count_b) -%}
    (
        power({{ squared_error_a }} + {{ squared_error_b }}, 2)
        / nullif(
            power({{ squared_error_a }}, 2) / nullif(cast({{ count_a }} as double) - 1, 0)
            + power({{ squared_error_b }}, 2) / nullif(cast({{ count_b }} as double) - 1, 0),
            0
        )
    )
{%- endmacro %}

{#
    Pearson's chi-square, one degree of freedom, of two counts against the share planned for the first. NULL where that
    share is unknown, 0 or 1.
#}
{% macro split_chi_square(count_a, count_b, share_a) -%}
    (
        power(cast({{ count_a }} as double) - ({{ count_a }} + {{ count_b }}) * {{ share_a }}, 2)
        / nullif(({{ count_a }} + {{ count_b }}) * {{ share_a }} * (1 - {{ share_a }}), 0)
    )
{%- endmacro %}
