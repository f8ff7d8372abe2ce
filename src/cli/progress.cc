#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "cli/plain_text.h"

namespace crossload::cli {

ProgressLine::Style ProgressLine::style_for(bool quiet) {
  if (quiet) return Style::kSilent;
  return ::isatty(STDERR_FILENO) != 0 ? Style::kTerminal : Style::kLines;
}

void ProgressLine::show(const std::string& stage, const std::string& raw_text, double fraction) {
  if (style_ == Style::kSilent) return;
  const std::string text = plain_text(raw_text);
  const auto now = std::chrono::steady_clock::now();
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  if (style_ == Style::kLines) {
    // A log: one line a step, not one a percent.
    const std::string step = stage + text;
    if (step == last_stage_) return;
    last_stage_ = step;
    std::fprintf(stderr, "%s", fmt::format("[{:5.1f} s] {:<7} {}\n", elapsed, stage, text).c_str());
    return;
  }
  const bool is_new = stage + text != last_stage_;
  if (!is_new && now - last_ < std::chrono::milliseconds(60)) return;
  last_stage_ = stage + text;
  last_ = now;
  constexpr int kWidth = 20;
  std::string bar;
  if (fraction >= 0) {
    const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kWidth);
    for (int i = 0; i < kWidth; ++i) bar += i < full ? "█" : "░";
    bar += fmt::format(" {:3.0f} % ", fraction * 100);
  }
  std::string line = fmt::format("{:5.1f} s  {:<7} {}", elapsed, stage, bar);
  const int room = std::max(10, terminal_width(STDERR_FILENO) - 45);
  line += text.substr(0, static_cast<std::size_t>(room));
  std::fprintf(stderr, "\r\x1b[2K%s", line.c_str());
  std::fflush(stderr);
  is_shown_ = true;
}

void ProgressLine::show_growth(const std::string& stage, const std::string& text, double fraction) {
  const int step = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * (style_ == Style::kLines ? 10 : 100));
  if (step == last_step_) return;
  last_step_ = step;
  show(stage, text, fraction);
}

void ProgressLine::clear() {
  if (!is_shown_) return;
  std::fprintf(stderr, "\r\x1b[2K");
  std::fflush(stderr);
  is_shown_ = false;
}

bool wants_color(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(fd) != 0 && (no_color == nullptr || *no_color == '\0');
}

int terminal_width(int fd) {
  winsize size{};
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr && std::atoi(columns) > 0) {
    return std::atoi(columns);
  }
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return ::isatty(fd) != 0 ? 100 : std::numeric_limits<int>::max() / 2;
}

}  // namespace crossload::cli
