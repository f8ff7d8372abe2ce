"""The one spelling of numbers that JSON has not, as in src/base/json_number.h."""

import math


def with_json_numbers(value):
    """A value for json.dumps with "inf", "-inf" and None in the place of infinities and NaN, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {key: with_json_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_json_numbers(item) for item in value]
    return value
