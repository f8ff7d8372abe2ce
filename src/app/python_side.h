// What only Python has: tracing with PyTorch, reference values, the Hub.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/scratch_folder.h"

namespace crossload::app {

/// stage (`trace`, `verify`, …), what is being done, and the fraction done or -1.
using Progress = std::function<void(const std::string& stage, const std::string& text, double fraction)>;

/// Answers the requests that python/crossload/README.md describes, one at a time.
class PythonSide {
 public:
  virtual ~PythonSide() = default;
  /// Throws what Python reports, as an Error of the same kind.
  virtual nlohmann::json ask(const nlohmann::json& request, const Progress& progress) = 0;
  /// Makes a request under way in another thread end soon, with an Error; for callers that need its answer no more.
  virtual void stop() {}
};

/// A text as a field of a request: null when it is empty.
inline nlohmann::json or_null(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

/// Where Python and its packages lie. Finding out starts no interpreter.
struct PythonEnvironment {
  std::filesystem::path interpreter;    // may be empty: none found
  std::filesystem::path site_packages;  // may be empty
  // Where our package lies when this environment does not have it; may be empty, or not exist.
  std::filesystem::path package_elsewhere;
  /// The installed version by the name of its `.dist-info` folder, empty when there is none.
  std::string version_of(const std::string& package) const;
  /// The folder of the tensorflow package: that of `CROSSLOAD_TENSORFLOW`, else the one in site-packages; may not
  /// exist.
  std::filesystem::path tensorflow() const;
};

/// `given` (from --python), else the interpreter beside this program, else `python3` on the PATH.
/// Throws `kEnvironment` when `given` does not exist.
PythonEnvironment find_python(const std::string& given);

/// `python -m crossload.worker` as a child, started by the first request and ended with the object, or
/// when a request is given up.
class WorkerProcess : public PythonSide {
 public:
  explicit WorkerProcess(PythonEnvironment environment) : environment_(std::move(environment)) {}
  ~WorkerProcess() override;
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  nlohmann::json ask(const nlohmann::json& request, const Progress& progress) override;
  void stop() override;

 private:
  void start();
  void end() noexcept;
  std::string read_line();
  [[noreturn]] void report_death();

  PythonEnvironment environment_;
  std::atomic<int> pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
  std::optional<ScratchFolder> scratch_;  // its files for temporary use, and what it says on standard error
  std::filesystem::path error_log_;
  std::string buffer_;
};

}  // namespace crossload::app
