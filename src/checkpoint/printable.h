// Names from files, made fit for a message.
#pragma once

#include <string>

namespace crossload {

/// The text with control characters, which could steer a terminal or end the message, shown as `?`.
inline std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace crossload
