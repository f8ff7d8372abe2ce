// What only Python has: tracing with PyTorch, reference values, the Hub.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace crossload::app {

/// stage (`trace`, `verify`, …), what is being done, and the fraction done or -1.
using Progress = std::function<void(const std::string& stage, const std::string& text, double fraction)>;

/// Answers the requests that python/crossload/README.md describes, one at a time.
class PythonSide {
 public:
  virtual ~PythonSide() = default;
  /// Throws what Python reports, as an Error of the same kind.
  virtual nlohmann::json ask(const nlohmann::json& request, const Progress& progress) = 0;
  /// Makes a request that runs in another thread end soon, with an Error; for callers that no longer need its answer.
  virtual void stop() {}
};

/// A text as a field of a request: null when it is empty.
inline nlohmann::json or_null(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

}  // namespace crossload::app
