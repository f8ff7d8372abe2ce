#include "cli/plain_text.h"

#include <cstdint>

namespace crossload::cli {
namespace {

struct Symbol {
  uint32_t code = 0;
  std::size_t bytes = 1;
  bool is_valid = false;
};

Symbol symbol_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return {first, 1, true};
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + bytes > text.size()) return {};
  uint32_t code = first & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(at + i) & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, bytes, true};
}

bool steers(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::string plain(std::string_view text, std::string_view allowed) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Symbol symbol = symbol_at(text, at);
    const bool is_allowed = symbol.bytes == 1 && allowed.find(text[at]) != std::string_view::npos;
    if (!symbol.is_valid || (steers(symbol.code) && !is_allowed)) {
      result += '?';
    } else {
      result += text.substr(at, symbol.bytes);
    }
    at += symbol.bytes;
  }
  return result;
}

}  // namespace

std::string plain_text(std::string_view text) { return plain(text, ""); }

std::string plain_lines(std::string_view text) { return plain(text, "\n\t"); }

}  // namespace crossload::cli
