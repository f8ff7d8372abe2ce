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

std::string in_one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

Error::Error(ErrorKind kind, std::string message, std::vector<std::string> details)
    : std::runtime_error(in_one_line(std::move(message))), kind_(kind), details_(std::move(details)) {}

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
