// The numbers that torch.export's schema uses for dtypes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/dtype.h"

namespace crossload::program {

/// The dtype that `code` stands for; nothing for dtypes that crossload has no form for and for unknown codes.
std::optional<DType> dtype_from_code(int64_t code);
/// For messages: `complex32`, or `99` for an unknown code.
std::string name_of_dtype_code(int64_t code);

}  // namespace crossload::program
