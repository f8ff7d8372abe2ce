// Progress of a long run: one line on a terminal that is rewritten, plain lines elsewhere, nothing when quiet.
#pragma once

#include <chrono>
#include <string>

#include "app/python_side.h"

namespace crossload::cli {

class ProgressLine {
 public:
  enum class Style { kSilent, kLines, kTerminal };
  /// The style that fits standard error and the flags.
  static Style style_for(bool quiet);
  explicit ProgressLine(Style style) : style_(style) {}
  ~ProgressLine() { clear(); }

  /// `fraction` in 0..1, or negative when unknown.
  void show(const std::string& stage, const std::string& text, double fraction);
  /// `show`, for jobs. REQUIRES: this outlives it.
  app::Progress reporter() {
    return [this](const std::string& stage, const std::string& text, double fraction) { show(stage, text, fraction); };
  }
  /// Of a long step, `text` grows with `fraction`: shown once a percent, in a log once in ten.
  void show_growth(const std::string& stage, const std::string& text, double fraction);
  /// Removes the line, before something else is printed.
  void clear();

 private:
  Style style_;
  std::string last_stage_;
  int last_step_ = -1;
  bool is_shown_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_{};
};

/// Whether to print colours to `fd`: a terminal, and `NO_COLOR` is not set.
bool wants_color(int fd);
/// `COLUMNS` where it is set, else the columns of the terminal behind `fd`; where there is none, no limit.
int terminal_width(int fd);

}  // namespace crossload::cli
