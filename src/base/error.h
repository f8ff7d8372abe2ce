// Errors that end a job: where, what was seen, what to do. Code that reads user input throws; nothing else does.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace crossload {

/// Why a job stopped; the command line turns each kind into one exit code.
enum class ErrorKind {
  kMismatch,     // 1: the result differs from PyTorch
  kBadInput,     // 2: the user's arguments or files
  kUnsupported,  // 3: an operation without lowering, or PyTorch cannot export the model
  kEnvironment,  // 4: something missing, disk full, network failure
  kInterrupted,  // 130
  kInternal,     // 4: a broken invariant of crossload itself
};

/// The name that `--json` prints: `mismatch`, `bad-input`, `unsupported`, `environment`, `interrupted`, `internal`.
std::string_view name_of(ErrorKind kind);
/// The inverse of `name_of`; unknown names are `kInternal`.
ErrorKind error_kind_from(std::string_view name);

/// A failure that ends the job. `what()` is one line `<where>: <seen>; <what to do>`, whatever names from files are in
/// it: control characters are shown as `?`. Details hold one line a cause.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string message, std::vector<std::string> details = {});

  ErrorKind kind() const { return kind_; }
  const std::vector<std::string>& details() const { return details_; }

 private:
  ErrorKind kind_;
  std::vector<std::string> details_;
};

template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void bad_input(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::kBadInput, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void internal_error(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::kInternal, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace crossload
