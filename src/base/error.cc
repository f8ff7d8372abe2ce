#include "base/error.h"

#include <array>

namespace crossload {
namespace {

constexpr std::array<std::pair<ErrorKind, std::string_view>, 6> kNames = {{
    {ErrorKind::kMismatch, "mismatch"},
    {ErrorKind::kBadInput, "bad-input"},
    {ErrorKind::kUnsupported, "unsupported"},
    {ErrorKind::kEnvironment, "environment"},
    {ErrorKind::kInterrupted, "interrupted"},
    {ErrorKind::kInternal, "internal"},
}};

}  // namespace

std::string_view name_of(ErrorKind kind) {
  for (const auto& [k, name] : kNames) {
    if (k == kind) return name;
  }
  return "internal";
}

ErrorKind error_kind_from(std::string_view name) {
  for (const auto& [kind, n] : kNames) {
    if (n == name) return kind;
  }
  return ErrorKind::kInternal;
}

}  // namespace crossload
