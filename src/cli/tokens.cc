#include "cli/tokens.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <vector>

namespace crossload::cli {
namespace {

constexpr std::string_view kFlag = "--token";
constexpr std::string_view kShown = "<token>";
constexpr std::string_view kPrefix = "hf_";
constexpr std::size_t kFewestAfterPrefix = 30;
// A shorter value is no token, and a word of the text may hold it.
constexpr std::size_t kShortest = 8;

std::vector<std::string>& remembered() {
  static std::vector<std::string> values;
  return values;
}

void hide(char* value) {
  const std::size_t length = std::strlen(value);
  if (length >= kShortest) remembered().emplace_back(value);
  std::memset(value, '*', length);
}

}  // namespace

void hide_tokens(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == kFlag && i + 1 < argc) {
      hide(argv[++i]);
    } else if (argument.starts_with(kFlag) && argument.substr(kFlag.size()).starts_with('=')) {
      hide(argv[i] + kFlag.size() + 1);
    }
  }
}

std::string without_tokens(std::string text) {
  for (const std::string& token : remembered()) {
    for (auto at = text.find(token); at != text.npos; at = text.find(token, at + kShown.size()))
      text.replace(at, token.size(), kShown);
  }
  for (auto at = text.find(kPrefix); at != text.npos; at = text.find(kPrefix, at + 1)) {
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(at + kPrefix.size());
    const auto end = std::find_if_not(begin, text.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
    if (static_cast<std::size_t>(end - begin) < kFewestAfterPrefix) continue;
    text.replace(at, static_cast<std::size_t>(end - text.begin()) - at, kShown);
  }
  return text;
}

}  // namespace crossload::cli
