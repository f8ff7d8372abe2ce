// What was thrown, as text.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "base/error.h"

namespace crossload {

/// The message of what `action` throws, which is of the kind; `no error` when it throws nothing.
template <typename F>
std::string message_of(ErrorKind kind, F action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(name_of(error.kind()) == name_of(kind));
    return error.what();
  }
  return "no error";
}

/// The message and its details as text cases expect them.
inline std::string text_of(const Error& error) {
  std::string text = std::string("error: ") + error.what() + "\n";
  for (const std::string& detail : error.details()) text += "  " + detail + "\n";
  return text;
}

}  // namespace crossload
