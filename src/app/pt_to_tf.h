// `crossload pt-to-tf`: TensorFlow weights for a repository, compared before anything is written or uploaded.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"

namespace crossload::app {

/// The largest difference that `transformers-cli pt-to-tf` let pass.
inline constexpr double kPtToTfMaxError = 5e-5;

struct PtToTfRequest {
  ModelRequest model;               // `model_class` is --override-model-class, with or without `TF`
  std::filesystem::path local_dir;  // empty: the model's own folder, or `/tmp/<name>` for one on the Hub
  double max_error = kPtToTfMaxError;
  bool new_weights = false;  // replace TensorFlow weights that are there
  bool no_pr = false;
  bool push = false;
  std::string extra_description;
  std::string max_shard_size = "10GB";
  std::string dtype;
};

/// Writes the TensorFlow weights of a model, compares all outputs and hidden states twice (with PyTorch's weights
/// loaded by TensorFlow, and with the written file), puts the file into `local_dir` and opens a pull request.
/// TensorFlow weights that are there already are compared instead, unless `new_weights`. The result: `model`, `class`,
/// `tf_class`, `judge`, `verdict`, `limit`, `max_error`, `figures`, `padded_error`, `outputs`, `weights`, `local_dir`,
/// `files`, `kept`, `push` (null, or what `push_weights` answers), `notes`, `versions`, `timings_s`. Throws
/// `kMismatch`, with every output over the limit, and `kBadInput` for several architectures, for a local folder that is
/// to be uploaded and for a class without outputs other than hidden states; then nothing was written or sent.
/// `environment` is that of `python`; `judge` is where Transformers 4 is looked for first, `start` starts a worker
/// there.
nlohmann::json pt_to_tf(const PtToTfRequest& request, const PythonEnvironment& environment,
                        const PythonEnvironment& judge, PythonSide& python, const StartPython& start,
                        const Progress& progress);

}  // namespace crossload::app
