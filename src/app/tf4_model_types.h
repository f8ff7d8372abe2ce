// The architectures that Transformers 4.46 had in TensorFlow.
#pragma once

#include <string_view>

namespace crossload::app {

/// Whether Transformers 4.46 has a `modeling_tf_*.py` for this `model_type`.
bool has_tf4_class(std::string_view model_type);

}  // namespace crossload::app
