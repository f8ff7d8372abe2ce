// The dtype that a model's config.json says its weights have.
#pragma once

#include <string>
#include <string_view>

namespace crossload::app {

/// `config`, the text of a config.json, with `dtype` (`float16`) for what it says now under `torch_dtype` (Transformers
/// 4) and `dtype` (5), at the top and in the configurations of its parts, objects that hold a `model_type`. Loaders
/// cast to what stands there. Where there is no such text, or null, they take the weights' own dtype, so nothing is
/// added; every other byte stays. Throws `kBadInput`, with `where`, for what is not a JSON object.
std::string with_dtype(std::string_view config, std::string_view dtype, std::string_view where);

}  // namespace crossload::app
