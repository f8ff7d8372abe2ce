// Patterns of paths: `layers.#`, `^cls.predictions`, `*_embeddings$`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace crossload::names {

using Path = std::vector<std::string>;

Path split(std::string_view text, char separator);
std::string join(std::span<const std::string> path, char separator);

/// Some successive components of a path. In a component `#` stands for a number and `*` for any text. `^` ties the
/// pattern to the path's begin, `$` to its end.
class Pattern {
 public:
  Pattern(std::string_view text, char separator);

  struct Match {
    std::size_t begin = 0, end = 0;     // components
    std::vector<std::string> captured;  // what stood for each `#` and `*`
  };
  std::optional<Match> match_at(std::span<const std::string> path, std::size_t begin) const;
  /// The match that ends with the path.
  std::optional<Match> match_end(std::span<const std::string> path) const;

  /// How many `#` and `*` it has.
  std::size_t captures() const;

 private:
  Path components_;
  bool at_begin_ = false, at_end_ = false;
};

/// The text with each `#` and `*` replaced by what a match captured, in turn. REQUIRES: as many captures.
std::string filled(std::string_view text, std::span<const std::string> captured);

}  // namespace crossload::names
