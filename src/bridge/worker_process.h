// The Python side as a process of its own, for the native command.
#pragma once

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/python_environment.h"
#include "app/python_side.h"
#include "base/scratch_folder.h"

namespace crossload::bridge {

/// `python -m crossload.worker` as a child, started by the first request and ended with the object, or
/// when a request is given up.
class WorkerProcess : public app::PythonSide {
 public:
  explicit WorkerProcess(app::PythonEnvironment environment) : environment_(std::move(environment)) {}
  ~WorkerProcess() override;
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  nlohmann::json ask(const nlohmann::json& request, const app::Progress& progress) override;
  void stop() override;

 private:
  void start();
  void end() noexcept;
  std::string read_line();
  [[noreturn]] void report_death();

  app::PythonEnvironment environment_;
  std::atomic<int> pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
  std::optional<ScratchFolder> scratch_;  // its files for temporary use, and what it says on standard error
  std::filesystem::path error_log_;
  std::string buffer_;
};

}  // namespace crossload::bridge
