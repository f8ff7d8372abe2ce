#include "names/pattern.h"

#include <algorithm>

namespace crossload::names {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Matches one component; the shortest text for `*`, all digits for `#`.
bool glob(std::string_view pattern, std::string_view text, std::vector<std::string>& captured) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '#') {
    const auto count = static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
    if (count == 0) return false;
    captured.emplace_back(text.substr(0, count));
    if (glob(pattern.substr(1), text.substr(count), captured)) return true;
    captured.pop_back();
    return false;
  }
  if (pattern[0] == '*') {
    const std::size_t size = captured.size();
    for (std::size_t count = 0; count <= text.size(); ++count) {
      captured.emplace_back(text.substr(0, count));
      if (glob(pattern.substr(1), text.substr(count), captured)) return true;
      captured.resize(size);
    }
    return false;
  }
  return !text.empty() && pattern[0] == text[0] && glob(pattern.substr(1), text.substr(1), captured);
}

}  // namespace

Path split(std::string_view text, char separator) {
  Path path;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    path.emplace_back(text.substr(begin, end == text.npos ? text.npos : end - begin));
    if (end == text.npos) return path;
    begin = end + 1;
  }
}

std::string join(std::span<const std::string> path, char separator) {
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i > 0) text += separator;
    text += path[i];
  }
  return text;
}

Pattern::Pattern(std::string_view text, char separator) {
  if (text.starts_with('^')) at_begin_ = true, text.remove_prefix(1);
  if (text.ends_with('$')) at_end_ = true, text.remove_suffix(1);
  components_ = split(text, separator);
}

std::optional<Pattern::Match> Pattern::match_at(std::span<const std::string> path, std::size_t begin) const {
  Match match{begin, begin + components_.size(), {}};
  if (match.end > path.size() || (at_begin_ && begin != 0) || (at_end_ && match.end != path.size()))
    return std::nullopt;
  for (std::size_t i = 0; i < components_.size(); ++i) {
    if (!glob(components_[i], path[begin + i], match.captured)) return std::nullopt;
  }
  return match;
}

std::optional<Pattern::Match> Pattern::match_end(std::span<const std::string> path) const {
  if (path.size() < components_.size()) return std::nullopt;
  return match_at(path, path.size() - components_.size());
}

std::size_t Pattern::captures() const {
  std::size_t count = 0;
  for (const auto& component : components_) {
    count += static_cast<std::size_t>(std::ranges::count_if(component, [](char c) { return c == '#' || c == '*'; }));
  }
  return count;
}

std::string filled(std::string_view text, std::span<const std::string> captured) {
  std::string result;
  std::size_t next = 0;
  for (const char c : text) {
    if (c == '#' || c == '*') {
      result += captured[next++];
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace crossload::names
