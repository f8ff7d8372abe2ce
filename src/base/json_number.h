// Numbers in the JSON that crossload writes: JSON has no infinities, which are "inf" and "-inf", and no NaN, which is
// null.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace crossload {

nlohmann::json json_number(double value);
/// The inverse. Throws as `nlohmann::json::get` does where the value is neither a number nor one of these.
double number_in(const nlohmann::json& value);

}  // namespace crossload
