// `crossload port`: the TensorFlow source of a model's PyTorch classes, written and compared with them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "app/python_environment.h"
#include "app/python_side.h"

namespace crossload::app {

struct PortRequest {
  std::string model;
  std::filesystem::path folder;
  std::string home = "transformers";  // or `keras`
  std::string model_class;
  std::filesystem::path checkout;
  double max_error = 1e-5;
  bool dry_run = false;
  bool weights_merged = false;
  bool no_verify = false;
  bool force = false;
};

/// Reads and observes the classes with Transformers 4, which `find_tf4` looks for from `given` on, translates them,
/// writes `folder/modeling_tf_<model_type>.py` and compares it in a fresh process. The result: `model`, `class`,
/// `tf_class`, `model_type`, `file`, `written`, `classes`, `lines`, `verdict` (`verified`, `within-noise`, `mismatch`,
/// `unverified`), `limit`, `max_error`, `rows`, `missing`, `unexpected`, `notes`, `versions`, `heads` (class, verdict
/// and error of each task class), `test` (its file), and `into` (`files` with their diffs, `skipped`) of a checkout. A
/// file that differs from PyTorch stays, and is called a mismatch. Throws `kUnsupported` with every source line that
/// has no rule, and for what `port` cannot do yet; `kBadInput` when a file of another content is there already;
/// `kEnvironment` without Transformers 4.
nlohmann::json port_model(const PortRequest& request, const PythonEnvironment& given, const StartPython& start,
                          const Progress& progress);

}  // namespace crossload::app
