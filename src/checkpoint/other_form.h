// Files of a known format that are not damaged and yet not read.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace crossload {

/// `kBadInput` for a file in a form of its format that is not read here, but that the format's own library may read.
class OtherForm : public Error {
 public:
  explicit OtherForm(std::string message) : Error(ErrorKind::kBadInput, std::move(message)) {}
};

}  // namespace crossload
